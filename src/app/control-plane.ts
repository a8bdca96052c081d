/** Everything that is not the MCP data plane, behind Fastify: admin API, health, metrics, discovery, pages. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import fastify, { type FastifyPluginAsync, type FastifyReply, type FastifyRequest } from 'fastify';
import { isAdminToken, isLocalRequest } from '#admin/admin-token.ts';
import { asGatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { AddressReader } from '#http/client-address.ts';
import type { RootLog } from '#http/log.ts';
import { asksForPage, copyable, escapeHtml, htmlPage, pageHeaders } from '#http/page.ts';
import { type MetadataDeps, metadataPlugin } from '#oauth/resource-metadata.ts';

export interface ControlPlaneDeps {
  readonly log: RootLog;
  readonly plugins: readonly FastifyPluginAsync[];
  readonly metadata: MetadataDeps;
  readonly metrics:
    | { text(): Promise<string>; readonly contentType: string; readonly key: Secret | undefined }
    | undefined;
  readonly maxBodyBytes: number;
  readonly readAddress: AddressReader;
  /** Counts a request to the OAuth endpoints from this address. Throws or rejects `rate_limited`. */
  readonly takeSignIn: (address: string) => void | Promise<void>;
}

/** Who tries to sign in, register or pass by a proxy is on record, successful or not (REQUIREMENTS S1.51). */
const signInPath =
  /^\/(?:authorize|token|register|par|device|callback|connect|interaction|revoke|introspect|userinfo|session|verify)(?:[/?]|$)/;

/** Not `/verify` and `/introspect`: servers ask there about every call, and failures at the first are counted of their own. */
const countedPath =
  /^\/(?:oauth2\/)?(?:authorize|token|register|par|device|callback|connect|interaction|revoke|session|(?:mcp-)?admin\/(?:sign-in|signed-in|link))(?:[/?]|$)/;

/** Whoever is on this machine could do worse, and so look all who come through a proxy that nobody named. */
async function countSignIn(request: FastifyRequest, reply: FastifyReply, deps: ControlPlaneDeps): Promise<void> {
  const { socket, headers } = request.raw;
  const address = deps.readAddress(socket.remoteAddress ?? '', headers['x-forwarded-for']?.toString());
  if (!countedPath.test(request.url) || /^(?:127\.|::1$)/.test(address)) return;
  try {
    await deps.takeSignIn(address);
  } catch (thrown) {
    const { row, message, retryAfterSeconds = 1 } = asGatehouseError(thrown);
    const body = { error: 'temporarily_unavailable', error_description: message };
    await reply
      .code(row.http)
      .headers({
        'Retry-After': String(retryAfterSeconds),
        'Cache-Control': 'no-store',
        'Access-Control-Allow-Origin': '*',
      })
      .send(body);
  }
}

/** From the raw list: the authorization server replaces what its URLs are made from. */
function whoAsked({ raw: { rawHeaders, socket } }: FastifyRequest, readAddress: AddressReader): object {
  const last = (name: string) =>
    rawHeaders[rawHeaders.findLastIndex((field, i) => i % 2 === 0 && field.toLowerCase() === name) + 1 || -1];
  return {
    clientAddress: readAddress(socket.remoteAddress ?? '', last('x-forwarded-for')),
    forwardedHost: (last('x-forwarded-host') ?? last('host'))?.slice(0, 256),
    userAgent: last('user-agent')?.slice(0, 256),
  };
}

export interface ControlPlane {
  handle(req: IncomingMessage, res: ServerResponse): void;
  close(): Promise<void>;
}

export async function openControlPlane(deps: ControlPlaneDeps): Promise<ControlPlane> {
  const app = fastify({
    bodyLimit: deps.maxBodyBytes,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 2048 },
  });
  app.setNotFoundHandler((request, reply) => {
    const { method, headers } = request;
    if (method !== 'GET' || !asksForPage(headers.accept)) return reply.code(404).send({ error: 'Not found' });
    return reply
      .code(404)
      .headers(pageHeaders)
      .type('text/html; charset=utf-8')
      .send(notFoundPage(deps.metadata.baseUrl));
  });
  app.setErrorHandler((thrown, _request, reply) => {
    const status = statusOf(thrown);
    if (status !== undefined) return reply.code(status).send({ error: 'Bad request' });
    const error = asGatehouseError(thrown);
    deps.log.error({ err: error.cause ?? error }, error.message);
    return reply.code(error.row.http).send({ error: error.message });
  });
  app.addHook('onRequest', (request, reply) => countSignIn(request, reply, deps));
  app.addHook('onResponse', async (request, reply) => {
    const { method, url } = request;
    // What wrote past Fastify (the authorization server) left its status there.
    const line = { method, path: url, status: reply.raw.statusCode, durationMs: reply.elapsedTime };
    deps.log.request(line, signInPath.test(url) ? whoAsked(request, deps.readAddress) : undefined);
  });
  for (const plugin of deps.plugins) await app.register(plugin);
  metadataPlugin(app, deps.metadata);
  const { metrics } = deps;
  if (metrics) {
    app.get('/metrics', async (request, reply) => {
      // Not only trusted proxies: whatever another one sends is not from this machine.
      if (!mayRead(request, metrics.key)) return reply.code(403).send({ error: 'Access denied' });
      return reply
        .type(metrics.contentType)
        .header('Cache-Control', 'no-store')
        .send(await metrics.text());
    });
  }
  await app.ready();
  return { handle: (req, res) => app.routing(req, res), close: () => app.close() };
}

/** From this machine, or with the key. */
function mayRead({ raw, headers }: FastifyRequest, key: Secret | undefined): boolean {
  if (isLocalRequest(raw.socket.remoteAddress, headers)) return true;
  const [, presented] = /^bearer +(\S+) *$/i.exec(headers.authorization ?? '') ?? [];
  return presented !== undefined && key !== undefined && isAdminToken(presented, key);
}

/** The same for every address: it says nothing of what is here. */
function notFoundPage(baseUrl: string): string {
  const main = `<p class="state warn">Gatehouse</p>
<h1>There is nothing at this address</h1>
<p>Check what you were given: a letter may be missing at the end. Addresses for MCP clients look like this:</p>
${copyable('MCP address', `${baseUrl}/{organization}/mcp/{name}`)}
<footer><a href="${escapeHtml(baseUrl)}/welcome">About this gateway</a></footer>`;
  return htmlPage({ title: 'Nothing here', main, narrow: true });
}

/** What Fastify itself refuses (a broken body, a wrong content type) carries its status. */
function statusOf(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('statusCode' in thrown)) return undefined;
  const { statusCode } = thrown;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
