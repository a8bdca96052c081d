/** Scripts for the recording upstream: servers of each era that count what they carried out. */
import { randomUUID } from 'node:crypto';
import { json, result, type Script } from './recording-upstream.ts';

const caching = { ttlMs: 0, cacheScope: 'private' };

export interface Counted {
  readonly script: Script;
  /** How many calls were carried out. */
  calls(): number;
}

const content = [{ type: 'text', text: 'done' }];
const tools = [{ name: 'act', inputSchema: { type: 'object' } }];

/** Answers modern requests only. */
export function modernServer(): Counted {
  let calls = 0;
  const script: Script = (request, res) => {
    const { method, params } = request.rpc;
    const id = request.rpc.id ?? null;
    const isModern = JSON.stringify(params ?? {}).includes('io.modelcontextprotocol/protocolVersion');
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (!isModern)
      return json(
        {
          jsonrpc: '2.0',
          id,
          error: { code: -32022, message: 'Unsupported protocol version', data: { supported: ['2026-07-28'] } },
        },
        400,
      )(request, res);
    if (method === 'server/discover')
      return result({
        resultType: 'complete',
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {} },
        ...caching,
      })(request, res);
    if (method === 'tools/list') return result({ resultType: 'complete', tools, ...caching })(request, res);
    if (method === 'tools/call') calls++;
    return result({ resultType: 'complete', content, _meta: { era: 'modern' } })(request, res);
  };
  return { script, calls: () => calls };
}

export interface LegacyServer extends Counted {
  /** As after a restart. */
  forget(): void;
  sessions(): number;
}

/** Keeps sessions, refuses what is in none. `refusal`: of a session that it doesn't know. */
export function legacyServer(
  refusal: Script = json({ jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } }, 404),
): LegacyServer {
  let calls = 0;
  let made = 0;
  const known = new Set<string>();
  const script: Script = (request, res) => {
    const { method, id } = request.rpc;
    if (method === 'initialize') {
      const session = randomUUID();
      known.add(session);
      made++;
      const said = {
        protocolVersion: '2025-11-25',
        capabilities: { tools: {} },
        serverInfo: { name: 's', version: '1' },
      };
      return result(said, { 'mcp-session-id': session })(request, res);
    }
    const session = request.headers['mcp-session-id'];
    if (session === undefined)
      return json(
        {
          jsonrpc: '2.0',
          id: null,
          error: { code: -32000, message: 'Bad Request: Mcp-Session-Id header is required' },
        },
        400,
      )(request, res);
    if (!known.has(String(session))) return refusal(request, res);
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (id === undefined) return void res.writeHead(202).end();
    if (method === 'tools/list') return result({ tools })(request, res);
    if (method === 'tools/call') calls++;
    return result({ content })(request, res);
  };
  return { script, calls: () => calls, forget: () => known.clear(), sessions: () => made };
}
