/** An MCP server that wants tokens of its authorization server: its tool `whoami` says whose the token was. */
import type { ServerResponse } from 'node:http';
import {
  json,
  type RecordedRequest,
  type RecordingUpstream,
  result,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';
import type { FakeAuthorizationServer, Issued } from './fake-authorization-server.ts';

export interface GuardedServer {
  readonly url: string;
  readonly upstream: RecordingUpstream;
  /** Whose calls were carried out. */
  readonly calls: string[];
  /** What `whoami` needs beside the token. */
  scope: string | undefined;
  /** In the challenge; undefined: where it really is. */
  metadataUrl: string | undefined;
  /** Of its protected-resource metadata; undefined: the given one's. */
  issuer: string | undefined;
  close(): Promise<void>;
}

const MODERN = '2026-07-28';

export async function startGuardedServer(
  as: Pick<FakeAuthorizationServer, 'issuer' | 'look'>,
  { era }: { readonly era: 'legacy' | 'modern' } = { era: 'modern' },
): Promise<GuardedServer> {
  const upstream = await startRecordingUpstream();
  const server: GuardedServer = {
    url: `${upstream.url}/mcp`,
    upstream,
    calls: [],
    scope: undefined,
    metadataUrl: undefined,
    issuer: undefined,
    close: () => upstream.close(),
  };
  upstream.script((request, res) => {
    if (request.target.startsWith('/.well-known/oauth-protected-resource')) {
      const servers = [server.issuer ?? as.issuer];
      return json({ resource: server.url, authorization_servers: servers, scopes_supported: ['read'] })(request, res);
    }
    const who = as.look((request.headers.authorization ?? '').replace(/^Bearer /, ''));
    if (!who || (who.resource !== undefined && who.resource !== server.url)) return challenge(server, res);
    if (request.method !== 'POST') return void res.writeHead(405).end();
    if (request.rpc.id === undefined || request.rpc.method === undefined) return void res.writeHead(202).end();
    const isModern = request.headers['mcp-protocol-version'] === MODERN;
    if (isModern !== (era === 'modern')) {
      const error = { code: era === 'modern' ? -32022 : -32000, message: 'No', data: { supported: [MODERN] } };
      return json({ jsonrpc: '2.0', id: request.rpc.id, error }, 400)(request, res);
    }
    return serve(server, { request, res, who, isModern });
  });
  return server;
}

function challenge({ metadataUrl, upstream }: GuardedServer, res: ServerResponse): void {
  const place = metadataUrl ?? `${upstream.url}/.well-known/oauth-protected-resource/mcp`;
  res.writeHead(401, { 'www-authenticate': `Bearer error="invalid_token", resource_metadata="${place}"` }).end();
}

interface Turn {
  readonly request: RecordedRequest;
  readonly res: ServerResponse;
  readonly who: Issued;
  readonly isModern: boolean;
}

function serve(server: GuardedServer, { request, res, who, isModern }: Turn): void | Promise<void> {
  const common = isModern ? { resultType: 'complete' } : {};
  const cache = isModern ? { ttlMs: 0, cacheScope: 'public' } : {};
  const capabilities = { tools: {} };
  switch (request.rpc.method) {
    case 'server/discover':
      return result({ ...common, supportedVersions: [MODERN], capabilities, ...cache })(request, res);
    case 'initialize':
      return result({ protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'g', version: '1' } })(
        request,
        res,
      );
    case 'tools/list': {
      // What one sees is theirs alone.
      const tools = ['whoami', `of_${who.person}`].map((name) => ({ name, inputSchema: { type: 'object' } }));
      return result({ ...common, ...cache, tools })(request, res);
    }
    case 'tools/call': {
      if (server.scope !== undefined && !who.scopes.includes(server.scope)) {
        res.writeHead(403, { 'www-authenticate': `Bearer error="insufficient_scope", scope="${server.scope}"` });
        return void res.end();
      }
      server.calls.push(who.person);
      return result({ ...common, content: [{ type: 'text', text: who.person }] })(request, res);
    }
    default:
      return result(common)(request, res);
  }
}
