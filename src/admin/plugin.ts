/**
 * The admin API over HTTP: every route of the contract under /admin/api/v1, problem+json errors (RFC 9457), nothing
 * cached. The caller is the platform (admin.token, from this machine), an API key with `admin:*` roles, or a person
 * with an access token of scope `admin:*` or a session of the portal.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { asServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import type { Secret } from '#core/secret.ts';
import { pageHeaders } from '#http/page.ts';
import { type Actor, type Following, originOf, type SignedInPerson } from './actor.ts';
import { isAdminToken, isLocalRequest } from './admin-token.ts';
import { type AdminRoute, adminBase, contract, hasBody, routeNames, routeOf } from './contract.ts';
import type { AdminRunner } from './handlers.ts';
import { answerInLines, streamOf } from './lines.ts';
import type { LogFollowing } from './log-following.ts';
import { etagOf } from './once.ts';
import { isRead, openApi } from './openapi.ts';
import { openApiPage } from './openapi-page.ts';
import { sendProblem } from './problem.ts';
import { type WhoAmI, whoAmIPath } from './who-am-i.ts';

export interface AdminPluginDeps {
  readonly run: AdminRunner;
  readonly token: Secret;
  /** Throws `invalid_token`. */
  readonly verifyKey: (presented: string) => Promise<ApiKeyPrincipal>;
  /** Somebody by an access token of their own. Throws `invalid_token`, `insufficient_scope`. */
  readonly verifyPerson?: (presented: string) => Promise<SignedInPerson>;
  /** Somebody whose browser is signed in to the portal; asked where no credential is sent. Throws `csrf_refused`. */
  readonly findSession?: ((request: FastifyRequest['raw']) => Promise<Actor | SignedInPerson | undefined>) | undefined;
  /** Counts a failed sign-in of an address (the socket's, and what X-Forwarded-For says). Throws or rejects `rate_limited` once there were too many. */
  readonly takeStranger?: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
  /** Through trusted proxies. */
  readonly readAddress?: (socketAddress: string, forwardedFor: string | undefined) => string;
  readonly looksLikeApiKey: (presented: string) => boolean;
  readonly log: Log;
  /** SECURITY.md 3.3: 256 KiB unless told. */
  readonly maxBodyBytes?: number;
  readonly version: string;
  /** Where people reach the gateway: for what the page of the API shows. */
  readonly baseUrl?: string;
  /** undefined: nobody composed it. */
  readonly whoAmI?: (actor: Actor | SignedInPerson) => Promise<WhoAmI>;
  /** Of what servers write; undefined: nothing runs here. */
  readonly following?: LogFollowing;
}

export function adminPlugin(deps: AdminPluginDeps): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser(
      'application/json',
      { parseAs: 'string', bodyLimit: deps.maxBodyBytes ?? 256 * 1024 },
      app.getDefaultJsonParser('error', 'error'),
    );
    app.setErrorHandler((error, request, reply) =>
      sendProblem(reply, request, { error: translated(error), log: deps.log }),
    );
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'cross-origin-resource-policy': 'same-origin',
      });
    });
    // Not before somebody asks: it takes longer than all else at the start.
    let document: object | undefined;
    for (const url of ['/admin/api/openapi.json', `${adminBase}/openapi.json`]) {
      app.get(url, async (request) => {
        await identify(request, deps);
        document ??= openApi(deps.version);
        return document;
      });
    }
    app.get('/admin/api', async (request, reply) => {
      await identify(request, deps);
      return reply
        .headers(pageHeaders)
        .type('text/html; charset=utf-8')
        .send(openApiPage(deps.baseUrl ?? ''));
    });
    for (const name of routeNames) addRoute(app, name, deps);
    const { whoAmI } = deps;
    if (whoAmI) app.get(adminBase + whoAmIPath, async (request) => whoAmI(await identify(request, deps)));
    addFollowing(app, deps);
  };
}

/** As `listRunLogs`, which decides whether and says what of; then it goes on. */
function addFollowing(app: FastifyInstance, deps: AdminPluginDeps): void {
  const { following, run } = deps;
  if (!following) return;
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    const actor = { ...(await identify(request, deps)), from: originOf(request.raw, deps.readAddress) };
    const input = inputOf(request, contract.listRunLogs);
    const { id, items } = await run('listRunLogs', input, actor);
    following.open(reply.raw, { server: asServerId(id), tail: items.length });
    reply.hijack();
  };
  app.route({ method: 'GET', url: `${adminBase}/runs/:server/logs/follow`, handler, exposeHeadRoute: false });
}

function addRoute(app: FastifyInstance, name: (typeof routeNames)[number], deps: AdminPluginDeps): void {
  const route = routeOf(name);
  const onlyKnown = async (request: FastifyRequest) => {
    await identify(request, deps);
  };
  const handler = async (request: FastifyRequest, reply: FastifyReply) => {
    const actor = { ...(await identify(request, deps)), from: originOf(request.raw, deps.readAddress) };
    const conditions = {
      ifMatch: request.headers['if-match'],
      idempotencyKey: request.headers['idempotency-key']?.toString(),
      onReplay: () => reply.header('idempotent-replayed', 'true'),
    };
    const stream = streamOf(name, request);
    if (stream) {
      const work = (following: Following) => deps.run(name, inputOf(request, route), { ...actor, following });
      await answerInLines(reply, stream, (following) => work(following).catch((thrown) => afterLines(reply, thrown)));
      return reply;
    }
    const result = await deps.run(name, inputOf(request, route), actor, conditions);
    if (isRead.has(name)) reply.header('etag', etagOf(result));
    return reply.code(route.status).send(result);
  };
  const { maxBodyBytes } = route;
  const large = maxBodyBytes === undefined ? {} : { bodyLimit: maxBodyBytes, onRequest: onlyKnown };
  app.route({ method: route.method, url: `${adminBase}${route.path}`, handler, exposeHeadRoute: false, ...large });
}

/** What has begun can only be broken off. */
function afterLines(reply: FastifyReply, thrown: unknown): void {
  if (!reply.sent) throw thrown;
  reply.raw.destroy();
}

/** Path parameters win over a field of the same name. */
function inputOf({ params, body, query }: FastifyRequest, { method }: AdminRoute): unknown {
  const given = hasBody(method) ? body : query;
  if (given !== undefined && given !== null && (typeof given !== 'object' || Array.isArray(given))) {
    throw new GatehouseError('bad_request', { message: 'The body must be a JSON object' });
  }
  return { ...given, ...(typeof params === 'object' ? params : {}) };
}

/** Throws `no_token`, `invalid_token`, and what counting a failure throws. */
export async function identify(request: FastifyRequest, deps: AdminPluginDeps): Promise<Actor | SignedInPerson> {
  try {
    return await identifyActor(request, deps);
  } catch (thrown) {
    if (asGatehouseError(thrown).row.http === 401) {
      const forwardedFor = request.headers['x-forwarded-for']?.toString();
      await deps.takeStranger?.(request.raw.socket.remoteAddress ?? '', forwardedFor);
    }
    throw thrown;
  }
}

async function identifyActor(request: FastifyRequest, deps: AdminPluginDeps): Promise<Actor | SignedInPerson> {
  const [, presented] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  if (presented === undefined) {
    const found = request.headers.authorization === undefined ? await deps.findSession?.(request.raw) : undefined;
    if (found) return found;
    throw new GatehouseError('no_token');
  }
  if (deps.looksLikeApiKey(presented)) return { kind: 'key', principal: await deps.verifyKey(presented) };
  const local = isLocalRequest(request.raw.socket.remoteAddress, request.headers);
  if (isAdminToken(presented, deps.token) && local) return { kind: 'platform' };
  if (deps.verifyPerson && presented.includes('.')) return deps.verifyPerson(presented);
  throw new GatehouseError('invalid_token');
}

const fastifyCodes: Readonly<Record<number, 'bad_request' | 'too_large' | 'media_type' | 'not_found'>> = {
  400: 'bad_request',
  404: 'not_found',
  413: 'too_large',
  415: 'media_type',
};

/** Fastify's own refusals, in our words. */
function translated(error: unknown): GatehouseError {
  const status = error instanceof Error && 'statusCode' in error ? error.statusCode : undefined;
  const code = error instanceof GatehouseError || typeof status !== 'number' ? undefined : fastifyCodes[status];
  return code ? new GatehouseError(code, { cause: error }) : asGatehouseError(error);
}
