/** How the admin API refuses: problem+json (RFC 9457). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';

export interface Problem {
  readonly error: GatehouseError;
  readonly log: Log;
}

/** RFC 9457. */
export function sendProblem(reply: FastifyReply, request: FastifyRequest, { error, log }: Problem): FastifyReply {
  // Codes that are 200 on the MCP surface are refusals here.
  const status = error.row.http < 400 ? 403 : error.row.http;
  log[error.row.level](
    { err: error, method: request.method, path: request.routeOptions.url, status },
    'admin request refused',
  );
  if (status === 401) reply.header('www-authenticate', 'Bearer realm="gatehouse-admin"');
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  return reply
    .code(status)
    .type('application/problem+json; charset=utf-8')
    .send(
      JSON.stringify({
        type: 'about:blank',
        title: titles[status] ?? 'Error',
        status,
        code: error.code,
        detail: error.message,
        ...(error.code === 'reauthenticate' && { signIn: '/mcp-admin/sign-in?again=1' }),
      }),
    );
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  409: 'Conflict',
  410: 'Gone',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
