/** A gateway whose endpoints all go through the engine, in front of a scripted server of either era and an honest one. */
import { createKey, type RunningGateway, startGateway } from './gateway.ts';
import { bearer, call, type EventStream, openStream, type Sent, send } from './http-client.ts';
import { json, type RecordingUpstream, result, type Script, startRecordingUpstream } from './recording-upstream.ts';

export const engineSecret = 'sk-engine-upstream-secret-0123456789';

export interface EngineWorld {
  readonly gateway: RunningGateway;
  readonly evil: RecordingUpstream;
  /** As hostile, of the other era: what a server speaks is remembered. */
  readonly modern: RecordingUpstream;
  readonly good: RecordingUpstream;
  /** Of organization `acme`, without roles. */
  readonly key: string;
  close(): Promise<void>;
}

/** `both`: all three, the first with a credential; `both_x`: a name that begins like another one, for a role. */
const yamlOf = ({ evil, modern, good }: Record<'evil' | 'modern' | 'good', string>) => `
organizations: [{ slug: acme, name: Acme }, { slug: other, name: Other }]
servers:
  - { key: evil, title: Evil, transport: { kind: http, url: '${evil}/mcp' } }
  - { key: modern, title: Modern, transport: { kind: http, url: '${modern}/mcp' } }
  - { key: good, title: Good, transport: { kind: http, url: '${good}/mcp' } }
collections:
  - organization: acme
    name: both
    allowedRoles: '*'
    bindings:
      - { server: evil, credential: '\${UPSTREAM_KEY}' }
      - { server: modern }
      - { server: good }
  - { organization: acme, name: both_x, allowedRoles: [staff], bindings: [{ server: evil }] }
enablements:
  - { organization: acme, server: evil, allMembers: true }
  - { organization: acme, server: modern, allMembers: true }
  - { organization: acme, server: good, allMembers: true }
  - { organization: other, server: good, allMembers: true }
limits:
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
  principal: { requestsPerMinute: 100000, concurrentCalls: 20, streams: 20 }
  organization: { requestsPerMinute: 1000000, concurrentCalls: 1000, streams: 1000 }
  timeouts: { toolCallMs: 8000, toolCallHeadersMs: 8000 }
egress: { allow: ['127.0.0.1'] }
`;

export async function startEngineWorld(): Promise<EngineWorld> {
  const evil = await startRecordingUpstream();
  const modern = await startRecordingUpstream();
  const good = await startRecordingUpstream();
  evil.script(legacyServing(result({ content: [] })));
  modern.script(modernServing(result({ resultType: 'complete', content: [] })));
  const gateway = await startGateway({
    configYaml: yamlOf({ evil: evil.url, modern: modern.url, good: good.url }),
    env: { UPSTREAM_KEY: engineSecret },
  });
  return {
    ...{ gateway, evil, modern, good },
    key: await createKey(gateway, 'acme'),
    async close() {
      await gateway.stop();
      await Promise.all([evil.close(), modern.close(), good.close()]);
    },
  };
}

const mcpHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const tools = [{ name: 'act', inputSchema: { type: 'object' } }];
const caching = { ttlMs: 0, cacheScope: 'private' };

/** A server of the legacy era with sessions; what it does with a call is the script's. */
export const legacyServing =
  (onCall: Script, capabilities: object = { tools: {} }): Script =>
  (request, res) => {
    const { method, id } = request.rpc;
    if (request.method !== 'POST') return void res.writeHead(request.method === 'DELETE' ? 200 : 405).end();
    if (JSON.stringify(request.rpc.params ?? {}).includes('io.modelcontextprotocol/protocolVersion'))
      return json({ jsonrpc: '2.0', id: id ?? null, error: { code: -32601, message: 'Method not found' } }, 404)(
        request,
        res,
      );
    if (id === undefined || method === undefined) return void res.writeHead(202).end();
    if (method === 'initialize')
      return result(
        { protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'evil', version: '1' } },
        { 'mcp-session-id': `s${Math.random()}` },
      )(request, res);
    if (method === 'tools/list') return result({ tools })(request, res);
    return onCall(request, res);
  };

/** A server of the modern era. */
export const modernServing =
  (onCall: Script): Script =>
  (request, res) => {
    const { method, id } = request.rpc;
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (!JSON.stringify(request.rpc.params ?? {}).includes('io.modelcontextprotocol/protocolVersion')) {
      const error = { code: -32022, message: 'Unsupported', data: { supported: ['2026-07-28'] } };
      return json({ jsonrpc: '2.0', id: id ?? null, error }, 400)(request, res);
    }
    if (method === 'server/discover') {
      const said = { supportedVersions: ['2026-07-28'], capabilities: { tools: {} }, ...caching };
      return result({ resultType: 'complete', ...said })(request, res);
    }
    if (method === 'tools/list') return result({ resultType: 'complete', tools, ...caching })(request, res);
    return onCall(request, res);
  };

export interface Asking {
  readonly key: string;
  readonly capabilities?: object;
  readonly id?: unknown;
  readonly meta?: object;
}

export function modernRequest(method: string, params: Record<string, unknown>, asking: Asking): Sent {
  const { key, capabilities = {}, id = 1, meta = {} } = asking;
  const envelope = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    ...meta,
  };
  return {
    headers: {
      ...bearer(key),
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof params.name === 'string' && { 'mcp-name': params.name }),
    },
    body: { jsonrpc: '2.0', id, method, params: { ...params, _meta: envelope } },
  };
}

export const askModern = (url: string, method: string, params: Record<string, unknown>, asking: Asking) =>
  send(url, modernRequest(method, params, asking));

export interface LegacyClient {
  readonly sessionId: string;
  request(body: unknown): ReturnType<typeof send>;
  /** A call whose answer is read event by event. */
  stream(body: unknown): Promise<EventStream>;
  listen(): Promise<EventStream>;
  end(): ReturnType<typeof send>;
  /** A request whose answer nobody waits for once the signal comes. */
  leave(body: unknown, signal: AbortSignal): Promise<void>;
}

export async function connectLegacy(url: string, key: string, capabilities: object = {}): Promise<LegacyClient> {
  const hello = await send(url, {
    headers: bearer(key),
    body: {
      jsonrpc: '2.0',
      id: 0,
      method: 'initialize',
      params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 't', version: '1' } },
    },
  });
  const sessionId = String(hello.headers['mcp-session-id']);
  const headers = { ...bearer(key), 'mcp-session-id': sessionId, 'mcp-protocol-version': '2025-11-25' };
  return {
    sessionId,
    request: (body) => send(url, { headers, body }),
    stream: (body) => openStream(url, { headers, body }),
    listen: () => openStream(url, { method: 'GET', headers }),
    end: () => send(url, { method: 'DELETE', headers }),
    leave: (body, signal) =>
      fetch(url, { method: 'POST', headers: { ...mcpHeaders, ...headers }, body: JSON.stringify(body), signal }).then(
        () => undefined,
        () => undefined,
      ),
  };
}

export const act = (id: unknown = 1, name = 'evil_act') => call(name, {}, id);
