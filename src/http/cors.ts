/** What browsers on an allowed origin may send and read (Fetch standard, CORS protocol). Never with credentials. */
import type { ServerResponse } from 'node:http';
import type { ClientResponse } from './exchange.ts';

const EXPOSED = 'Mcp-Session-Id, WWW-Authenticate, Retry-After, X-Request-Id';
const ACCEPTED =
  'Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID, DPoP, X-API-Key, X-Organization-Id, Traceparent';

/** Only for an origin that was checked; `*`: every one is allowed. */
export function allowOrigin(res: Pick<ClientResponse, 'setHeader'>, origin: string): void {
  res.setHeader('Access-Control-Allow-Origin', origin);
  if (origin !== '*') res.setHeader('Vary', 'Origin');
  res.setHeader('Access-Control-Expose-Headers', EXPOSED);
}

export function answerPreflight(res: ServerResponse, origin: string, methods = 'POST, GET, DELETE'): void {
  allowOrigin(res, origin);
  res.writeHead(204, {
    'Access-Control-Allow-Methods': methods,
    'Access-Control-Allow-Headers': ACCEPTED,
    'Access-Control-Max-Age': '600',
  });
  res.end();
}
