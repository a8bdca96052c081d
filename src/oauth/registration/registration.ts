/**
 * Dynamic client registration (RFC 7591) and its management (RFC 7592), by our own handlers: the library answers 401 to
 * everything and destroys a token that is shown at another client's URL. What valid metadata is stays the library's word.
 *
 * Anybody may register, so a registration is worth little until a person has signed in through it: it is gone after a day,
 * and after an hour when very many are waiting. Nothing younger is ever pushed out: who floods us can't end the sign-in
 * that somebody is in the middle of.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { errors } from 'oidc-provider';
import { asGatehouseError } from '#core/error.ts';
import type { RegistrationDeps } from './client-registry.ts';
import { type ClientRegistry, openClientRegistry } from './client-registry.ts';

const maxBodyBytes = 32 * 1024;
/** Public by nature and without cookies: any page may register (the library's own endpoints answer alike). */
const crossOrigin = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'WWW-Authenticate, Retry-After',
} as const;
const preflight = {
  'access-control-allow-methods': 'POST, GET, PUT, DELETE',
  'access-control-allow-headers': 'Authorization, Content-Type, MCP-Protocol-Version',
  'access-control-max-age': '3600',
} as const;

/** Mounts `path` and `path/:clientId`; nothing where registration is off. */
export function registrationPlugin(path: string, deps: RegistrationDeps): FastifyPluginAsync {
  const registry = openClientRegistry(deps);
  return async (app) => {
    if (!deps.settings.registration.enabled) return;
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: maxBodyBytes }, (_request, body, done) =>
      done(null, body),
    );
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers({ ...crossOrigin, 'cache-control': 'no-store', pragma: 'no-cache' });
    });
    app.setErrorHandler((thrown, _request, reply) => sendError(thrown, reply, deps));
    addRoutes(app, path, registry);
  };
}

function addRoutes(app: FastifyInstance, path: string, registry: ClientRegistry): void {
  const one = `${path}/:clientId`;
  for (const url of [path, one]) app.options(url, async (_request, reply) => reply.code(204).headers(preflight).send());
  const refuse = (allow: string) => async (_request: FastifyRequest, reply: FastifyReply) =>
    reply
      .code(405)
      .header('allow', allow)
      .send({ error: 'invalid_request', error_description: `only ${allow}` });
  app.route({ method: ['GET', 'PUT', 'DELETE', 'PATCH'], url: path, handler: refuse('POST, OPTIONS') });
  app.route({ method: ['POST', 'PATCH'], url: one, handler: refuse('GET, PUT, DELETE, OPTIONS') });
  app.post(path, async (request, reply) => {
    const { remoteAddress = '' } = request.raw.socket;
    const from = { address: remoteAddress, forwardedFor: request.headers['x-forwarded-for']?.toString() };
    return reply.code(201).send(await registry.register(json(request), from));
  });
  app.get(one, { exposeHeadRoute: false }, async (request) => (await managed(request, registry)).read());
  app.put(one, async (request) => (await managed(request, registry)).change(json(request)));
  app.delete(one, async (request, reply) => {
    await (await managed(request, registry)).remove();
    return reply.code(204).send();
  });
}

function managed({ params, headers }: FastifyRequest, registry: ClientRegistry) {
  const [, token] = /^Bearer +([^\s]+) *$/i.exec(headers.authorization ?? '') ?? [];
  const id = typeof params === 'object' && params !== null && 'clientId' in params ? String(params.clientId) : '';
  return registry.manage(id, token);
}

/** Malformed JSON is an invalid request like any other (RFC 7591 3.2.2): 400, whatever the content type says. */
function json({ body }: FastifyRequest): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : '');
  } catch (cause) {
    throw new errors.InvalidClientMetadata('the body must be a JSON object', { cause });
  }
}

function sendError(thrown: unknown, reply: FastifyReply, { log }: RegistrationDeps): FastifyReply {
  if (thrown instanceof errors.OIDCProviderError) {
    const { statusCode, error, error_description } = thrown;
    if (statusCode === 401) reply.header('www-authenticate', 'Bearer realm="auth"');
    return reply.code(statusCode).send({ error, error_description });
  }
  const refused = refusedBy(thrown);
  if (refused !== undefined) {
    const error_description = refused === 413 ? 'the body is too large' : 'the request cannot be read';
    return reply.code(refused).send({ error: 'invalid_client_metadata', error_description });
  }
  const error = asGatehouseError(thrown);
  if (error.retryAfterSeconds !== undefined) reply.header('retry-after', String(error.retryAfterSeconds));
  if (error.row.http >= 500) log.error({ err: error.cause ?? error }, error.message);
  const code = error.row.http === 500 ? 'server_error' : 'temporarily_unavailable';
  return reply.code(error.row.http).send({ error: code, error_description: error.message });
}

/** The status of what Fastify refuses by itself: a body that is too large, a content type that is none. */
function refusedBy(thrown: unknown): number | undefined {
  if (typeof thrown !== 'object' || thrown === null || !('statusCode' in thrown)) return undefined;
  const { statusCode } = thrown;
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500 ? statusCode : undefined;
}
