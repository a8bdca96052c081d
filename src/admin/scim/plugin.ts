/**
 * The SCIM 2.0 server (RFC 7643, 7644) at /scim/v2: a directory keeps the people and groups of one organization here. Which
 * one, the API key says that it comes with; a key with the role `admin:scim:write` may do nothing else.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { actorName, checkPermission, originOf } from '#admin/actor.ts';
import type { AdminDeps, AdminEvent } from '#admin/handlers.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, type ErrorCode, GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AddressReader } from '#http/client-address.ts';
import { runBulk } from './bulk.ts';
import { configuration, limits, listOf, resourceTypes, schemas } from './documents.ts';
import { isResource } from './filter.ts';
import { badSyntax, errorBody, notThere, ScimError } from './scim-error.ts';
import {
  asScimError,
  create,
  type Directory,
  get,
  type Kind,
  list,
  patch,
  type Query,
  remove,
  replace,
} from './work.ts';

export const scimBase = '/scim/v2';

export interface ScimDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly log: Log;
  /** As clients know the gateway, no trailing slash. */
  readonly baseUrl: string;
  /** Throws `invalid_token`. */
  readonly verifyKey: (presented: string) => Promise<ApiKeyPrincipal>;
  readonly looksLikeApiKey: (presented: string) => boolean;
  /** Counts a failed sign-in of an address. Throws or rejects `rate_limited` once there were too many. */
  readonly takeStranger?: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
  readonly readAddress: AddressReader;
  readonly audit: AdminDeps['audit'];
  readonly beginAudit: NonNullable<AdminDeps['beginAudit']>;
}

/** What a request needs, and what it is called in the audit trail. */
export const scimRoutes = {
  GET: { permission: 'admin:scim:read', action: 'read' },
  POST: { permission: 'admin:scim:write', action: 'create' },
  PUT: { permission: 'admin:scim:write', action: 'replace' },
  PATCH: { permission: 'admin:scim:write', action: 'change' },
  DELETE: { permission: 'admin:scim:write', action: 'remove' },
} as const;

type Method = keyof typeof scimRoutes;
type Work = (directory: Directory, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

export function scimPlugin(deps: ScimDeps): FastifyPluginAsync {
  return async (app) => {
    app.removeAllContentTypeParsers();
    // Some name a type where they send nothing.
    const parseJson = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser(
      ['application/scim+json', 'application/json'],
      { parseAs: 'string', bodyLimit: limits.bulkBytes },
      (request, body, done) => (body === '' ? done(null, undefined) : parseJson(request, String(body), done)),
    );
    app.setErrorHandler((thrown, _request, reply) => sendError(reply, thrown, deps.log));
    app.addHook('onSend', async (_request, reply) => {
      reply.headers({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
    });
    const base = `${deps.baseUrl}${scimBase}`;
    addDocuments(app, base, deps);
    for (const kind of ['Users', 'Groups'] as const) addKind(app, kind, deps);
    add(app, { method: 'POST', path: '/Bulk', work: bulk }, deps);
    const nowhere = async () => {
      throw notThere('address');
    };
    app.all(`${scimBase}/*`, nowhere);

    async function bulk(directory: Directory, request: FastifyRequest) {
      const named = eventOf(deps, directory, request);
      return changing(deps, { ...named, action: 'scim.bulk' }, async () => {
        const { body, outcomes } = await withPlatform(deps.db, (scope) => runBulk(scope, directory, request.body));
        const kept = outcomes.map(({ kind, method, id: target, failed }) => {
          const action = actionOf(kind, method as Method);
          return deps.audit({ ...named, action, target, outcome: failed ? 'bad_request' : 'done', isChange: true });
        });
        await Promise.all(kept);
        return { result: body, learned: { operations: outcomes.length } };
      });
    }
  };
}

const actionOf = (kind: Kind, method: Method) =>
  `scim.${kind === 'Users' ? 'user' : 'group'}.${scimRoutes[method].action}`;

function eventOf({ clock, readAddress }: ScimDeps, { key, org }: Directory, { raw }: FastifyRequest) {
  const by = { kind: 'key', principal: key, from: originOf(raw, readAddress) } as const;
  return { at: clock.now(), by, actor: actorName(by), organization: org, target: undefined };
}

const codes: Readonly<Record<number, ErrorCode>> = {
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  500: 'internal',
  503: 'storage_unavailable',
};

const codeOf = (status: number): ErrorCode => codes[status] ?? 'bad_request';

/** Not begun before it is in the trail, not answered before what came of it is. */
async function changing<T>(
  { beginAudit }: ScimDeps,
  event: Omit<AdminEvent, 'outcome'>,
  work: () => Promise<{ readonly result: T; readonly learned?: JsonObject }>,
): Promise<T> {
  const end = await beginAudit(event);
  try {
    const { result, learned } = await work();
    await end('done', learned);
    return result;
  } catch (thrown) {
    await end(codeOf(asScimError(thrown).status));
    throw thrown;
  }
}

/** Public at other servers; here whoever has no key learns nothing. */
function addDocuments(app: FastifyInstance, base: string, deps: ScimDeps): void {
  const listed = (resources: readonly object[]) => listOf(resources, { total: resources.length, startIndex: 1 });
  const one = (resources: readonly { readonly id: string }[], { params }: FastifyRequest) => {
    const wanted = isResource(params) ? params.id : undefined;
    const found = resources.find(({ id }) => id === wanted);
    if (!found) throw notThere('description');
    return found;
  };
  const documents: Readonly<Record<string, Work>> = {
    '/ServiceProviderConfig': async () => configuration(base),
    '/Schemas': async () => listed(schemas(base)),
    '/Schemas/:id': async (_directory, request) => one(schemas(base), request),
    '/ResourceTypes': async () => listed(resourceTypes(base)),
    '/ResourceTypes/:id': async (_directory, request) => one(resourceTypes(base), request),
  };
  for (const [path, work] of Object.entries(documents)) add(app, { method: 'GET', path, work }, deps);
}

function addKind(app: FastifyInstance, kind: Kind, deps: ScimDeps): void {
  const { db } = deps;
  const audited = (method: Method, work: Work) => ({
    method,
    work: async (directory: Directory, request: FastifyRequest, reply: FastifyReply) => {
      const action = actionOf(kind, method);
      const event = { ...eventOf(deps, directory, request), action, target: idOf(request) || undefined };
      return changing(deps, event, async () => {
        const result = await work(directory, request, reply);
        const isMade = method === 'POST' && isResource(result) && typeof result.id === 'string';
        return { result, ...(isMade && { learned: { made: String(result.id) } }) };
      });
    },
  });
  const found = (directory: Directory, id: string, query: unknown) => get(directory, { kind, id }, asQuery(query));
  const all = `/${kind}`;
  const single = `/${kind}/:id`;
  add(app, { method: 'GET', path: all, work: (directory, { query }) => list(directory, kind, asQuery(query)) }, deps);
  add(
    app,
    { method: 'GET', path: single, work: (directory, request) => found(directory, idOf(request), request.query) },
    deps,
  );
  const post: Work = async (directory, { body, query }, reply) => {
    const id = await withPlatform(db, (scope) => create(scope, directory, { kind, body }));
    reply.code(201).header('location', `${directory.base}/${kind}/${id}`);
    return found(directory, id, query);
  };
  const search: Work = async (directory, { body }) => list(directory, kind, searchQuery(body));
  const change =
    (work: typeof replace): Work =>
    async (directory, request) => {
      const id = idOf(request);
      await withPlatform(db, (scope) => work(scope, directory, { kind, id, body: request.body }));
      return found(directory, id, request.query);
    };
  const removal: Work = async (directory, request, reply) => {
    await withPlatform(db, (scope) => remove(scope, directory, { kind, id: idOf(request) }));
    reply.code(204);
    return undefined;
  };
  add(app, { path: all, ...audited('POST', post) }, deps);
  add(app, { method: 'POST', path: `/${kind}/.search`, work: search }, deps);
  add(app, { path: single, ...audited('PUT', change(replace)) }, deps);
  add(app, { path: single, ...audited('PATCH', change(patch)) }, deps);
  add(app, { path: single, ...audited('DELETE', removal) }, deps);
}

const asQuery = (query: unknown): Query => (isResource(query) ? query : {});

/** RFC 7644 3.4.3: as a GET, with its parameters in the body. */
function searchQuery(body: unknown): Query {
  if (!isResource(body)) throw badSyntax('The body must be a JSON object');
  const text = (value: unknown) => (Array.isArray(value) ? value.join(',') : value);
  return { ...body, attributes: text(body.attributes), excludedAttributes: text(body.excludedAttributes) };
}

const idOf = ({ params }: FastifyRequest) => (isResource(params) && typeof params.id === 'string' ? params.id : '');

interface Route {
  readonly method: Method;
  readonly path: string;
  readonly work: Work;
}

function add(app: FastifyInstance, { method, path, work }: Route, deps: ScimDeps): void {
  app.route({
    method,
    url: scimBase + path,
    exposeHeadRoute: false,
    handler: async (request, reply) => {
      const key = await identify(request, deps);
      const { permission } = scimRoutes[method === 'POST' && path.endsWith('/.search') ? 'GET' : method];
      const actor = { kind: 'key', principal: key } as const;
      const needed = key.roles.includes('admin:scim:write') ? 'admin:scim:write' : permission;
      checkPermission(actor, { permission: needed, scope: 'organization' });
      const directory = { db: deps.db, org: key.org, key, base: `${deps.baseUrl}${scimBase}` };
      const result = await work(directory, request, reply);
      return reply
        .type('application/scim+json; charset=utf-8')
        .send(result === undefined ? undefined : JSON.stringify(result));
    },
  });
}

async function identify(request: FastifyRequest, deps: ScimDeps): Promise<ApiKeyPrincipal> {
  const [, presented] = /^bearer +(\S+) *$/i.exec(request.headers.authorization ?? '') ?? [];
  try {
    if (presented === undefined) throw new GatehouseError('no_token');
    if (!deps.looksLikeApiKey(presented)) throw new GatehouseError('invalid_token');
    return await deps.verifyKey(presented);
  } catch (thrown) {
    if (asGatehouseError(thrown).row.http === 401) {
      const forwardedFor = request.headers['x-forwarded-for']?.toString();
      await deps.takeStranger?.(request.raw.socket.remoteAddress ?? '', forwardedFor);
    }
    throw thrown;
  }
}

function sendError(reply: FastifyReply, thrown: unknown, log: Log) {
  const status = thrown instanceof Error && 'statusCode' in thrown ? thrown.statusCode : undefined;
  const error =
    typeof status === 'number' && status < 500
      ? new ScimError(status, 'The request cannot be read', 'invalidSyntax')
      : asScimError(thrown);
  if (error.status >= 500) log.error({ err: thrown }, 'a SCIM request failed');
  if (error.status === 401) reply.header('www-authenticate', 'Bearer');
  if (error.status === 503) reply.header('retry-after', '5');
  return reply
    .code(error.status)
    .type('application/scim+json; charset=utf-8')
    .send(JSON.stringify(errorBody(error)));
}
