/** The first fork of every request: MCP paths to the data plane, everything else to the control plane. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { parseMcpPath } from '#core/mcp-path.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { checkOrigin, isLocalName, type ReceiveOptions } from '#gateway/receive.ts';
import { answerPreflight } from '#http/cors.ts';

export interface FrontDeps {
  readonly mcp: McpHandler;
  readonly other: (req: IncomingMessage, res: ServerResponse) => void;
  readonly receive: Pick<ReceiveOptions, 'origins' | 'loopback' | 'hosts'>;
}

/**
 * Asked by address: load balancers and container runtimes know no host name. Public, the same under every name, and they
 * say nothing of what is here.
 */
const anyHost = /^\/(?:health|ready|\.well-known\/[^?]*)\/?(?:\?.*)?$/;

export function openFront({ mcp, other, receive }: FrontDeps): (req: IncomingMessage, res: ServerResponse) => void {
  /** A page that a browser was led to by a name of its own (DNS rebinding) reads nothing here either. */
  function toOther(req: IncomingMessage, res: ServerResponse): void {
    const hosts = hostsOf(req);
    const [host = ''] = hosts;
    if (hosts.length > 1) refuse(res, 400, 'The header host is sent more than once');
    else if (anyHost.test(req.url ?? '') || isLocalName(host) || receive.hosts.has(host) || receive.hosts.has('*'))
      other(req, res);
    else refuse(res, 421, 'Host not served here');
  }

  return (req, res) => {
    const path = parseMcpPath(req.url ?? '');
    if (!path) {
      // Fastify's router would decode what the grammar of our paths refuses.
      if (isPlain(req.url ?? '')) toOther(req, res);
      else refuse(res, 400, 'The request target has characters that are not accepted here');
      return;
    }
    if (req.method === 'OPTIONS') preflight(req, res, receive);
    else mcp(req, res, path);
  };
}

/** Every copy: Node's own parser keeps the first and says nothing of others. */
function hostsOf({ rawHeaders }: IncomingMessage): string[] {
  return rawHeaders.flatMap((name, i) =>
    i % 2 === 0 && name.toLowerCase() === 'host' ? [(rawHeaders[i + 1] ?? '').toLowerCase()] : [],
  );
}

function isPlain(target: string): boolean {
  const query = target.indexOf('?');
  const path = query < 0 ? target : target.slice(0, query);
  return (
    path.length <= 2048 &&
    /^\/[A-Za-z0-9._~/@:+-]*$/.test(path) &&
    !path.includes('//') &&
    !/(?:^|\/)\.\.?(?:\/|$)/.test(path)
  );
}

function preflight(req: IncomingMessage, res: ServerResponse, receive: FrontDeps['receive']): void {
  const { origin } = req.headers;
  try {
    if (origin === undefined) throw new GatehouseError('method_not_allowed');
    checkOrigin(origin, receive);
    answerPreflight(res, origin);
  } catch (thrown) {
    const error = asGatehouseError(thrown);
    refuse(res, error.row.http, error.message);
  }
}

function refuse(res: ServerResponse, status: number, message: string): void {
  const body = JSON.stringify({ error: message });
  res.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
  });
  res.end(body);
}
