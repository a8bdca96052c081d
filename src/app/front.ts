/** The first fork of every request: MCP paths to the data plane, everything else to the control plane. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { parseMcpPath } from '#gateway/path.ts';
import { checkOrigin, type ReceiveOptions } from '#gateway/receive.ts';
import { answerPreflight } from '#http/cors.ts';

export interface FrontDeps {
  readonly mcp: McpHandler;
  readonly other: (req: IncomingMessage, res: ServerResponse) => void;
  readonly receive: Pick<ReceiveOptions, 'origins' | 'loopback'>;
}

export function openFront({ mcp, other, receive }: FrontDeps): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    const path = parseMcpPath(req.url ?? '');
    if (!path) {
      // Fastify's router would decode what the grammar of our paths refuses.
      if (isPlain(req.url ?? '')) other(req, res);
      else refuse(res, 400, 'The request target has characters that are not accepted here');
      return;
    }
    if (req.method === 'OPTIONS') preflight(req, res, receive);
    else mcp(req, res, path);
  };
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
