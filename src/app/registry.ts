/**
 * The registry's read API (`/v0.1/servers`, https://registry.modelcontextprotocol.io/docs) for what its caller may use here:
 * clients that know registries find the servers and collections of the organization, judged as calls are. Strangers find
 * an empty list, as of `/servers` (DESIGN ruling 16).
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyPluginAsync, FastifyReply } from 'fastify';
import { z } from 'zod';
import { asGatehouseError } from '#core/error.ts';
import { formatMcpPath } from '#core/mcp-path.ts';
import { type AuthorizeDeps, authorize, checkAudience } from '#gateway/authorize.ts';
import type { Identifier } from '#gateway/identify.ts';
import { readHeaders } from '#http/headers.ts';
import type { Endpoint } from '#records/snapshot.ts';

export interface RegistryDeps {
  readonly identifier: Identifier;
  readonly judging: AuthorizeDeps;
  readonly takeStranger: (address: string, forwardedFor: string | undefined) => void | Promise<void>;
  readonly baseUrl: string;
}

const schema = 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json';
/** What a server here is changes under one name: there is one version of each. */
const version = '1.0.0';

const query = z.object({
  limit: z.coerce.number().int().min(1).max(100).default(30),
  cursor: z.string().max(512).optional(),
  search: z.string().max(256).optional(),
  updated_since: z.iso.datetime({ offset: true }).optional(),
  version: z.string().max(255).optional(),
});

export function registryPlugin(deps: RegistryDeps): FastifyPluginAsync {
  const prefix = reversedHost(deps.baseUrl);
  return async (app) => {
    for (const base of ['/v0.1', '/v0']) {
      app.get(`${base}/servers`, async ({ raw, query: asked }, reply) => {
        const wish = query.safeParse(asked);
        if (!wish.success) return unshared(reply).code(400).send({ error: 'The query is wrong' });
        const found = await findEndpoints(raw, deps);
        return unshared(reply).send(page(shownAll(found, { ...deps, prefix }), wish.data));
      });
      app.get<{ Params: { name: string } }>(`${base}/servers/:name/versions`, async ({ raw, params }, reply) => {
        const one = shownAll(await findEndpoints(raw, deps), { ...deps, prefix }).find(isNamed(params.name));
        if (!one) return unshared(reply).code(404).send({ error: 'Server not found' });
        return unshared(reply).send({ servers: [one], metadata: { count: 1 } });
      });
      app.get<{ Params: { name: string; version: string } }>(
        `${base}/servers/:name/versions/:version`,
        async ({ raw, params }, reply) => {
          const isKnown = params.version === 'latest' || params.version === version;
          const all = shownAll(await findEndpoints(raw, deps), { ...deps, prefix });
          const one = isKnown ? all.find(isNamed(params.name)) : undefined;
          return one ? unshared(reply).send(one) : unshared(reply).code(404).send({ error: 'Server not found' });
        },
      );
    }
    app.setErrorHandler((thrown, _request, reply) => {
      const error = asGatehouseError(thrown);
      return unshared(reply).code(error.row.http).send({ error: error.message });
    });
  };
}

function unshared(reply: FastifyReply): FastifyReply {
  return reply.headers({ 'cache-control': 'private, no-store', vary: 'Authorization, X-Api-Key, X-Organization-Id' });
}

/** None for strangers. Rejects with what a call would be refused with. */
async function findEndpoints(
  request: IncomingMessage,
  { identifier, judging, takeStranger, baseUrl }: RegistryDeps,
): Promise<readonly Endpoint[]> {
  const { authorization, 'x-api-key': key } = request.headers;
  const { socket } = request;
  const count = () => takeStranger(socket.remoteAddress ?? '', request.headers['x-forwarded-for']?.toString());
  if (authorization === undefined && key === undefined) {
    await count();
    return [];
  }
  try {
    const headers = readHeaders(request.rawHeaders, request.httpVersion);
    const url = `${baseUrl}${(request.url ?? '').replace(/\?.*$/, '')}`;
    const caller = await identifier.identify(headers, { method: request.method ?? '', url });
    const wish = { path: { organization: undefined, name: undefined }, selector: headers.organization };
    checkAudience(caller, wish);
    const { endpoint } = await authorize(caller, { ...wish, ...judging });
    const open = new Set(endpoint.bindings.filter(({ server }) => server.enabled));
    return (endpoint.members ?? []).filter(({ bindings }) => bindings.some((binding) => open.has(binding)));
  } catch (thrown) {
    if (asGatehouseError(thrown).row.http === 401) await count();
    throw thrown;
  }
}

type Shown = ReturnType<typeof shown>;

const isNamed =
  (name: string) =>
  ({ server }: Shown): boolean =>
    server.name === name;

const shownAll = (endpoints: readonly Endpoint[], more: Pick<RegistryDeps, 'baseUrl'> & { readonly prefix: string }) =>
  endpoints.map((endpoint) => shown(endpoint, more));

function shown(
  { name, kind, bindings }: Endpoint,
  { baseUrl, prefix }: Pick<RegistryDeps, 'baseUrl'> & { readonly prefix: string },
) {
  const titles = bindings.map(({ server }) => server.title).join(', ');
  const [only] = bindings;
  const title = kind === 'server' && only ? only.server.title : name;
  const url = `${baseUrl}${formatMcpPath({ organization: undefined, name })}`;
  return {
    server: {
      $schema: schema,
      name: `${prefix}/${name}`,
      title: title.slice(0, 100),
      description: (kind === 'server' ? title : titles).slice(0, 100),
      version,
      remotes: [{ type: 'streamable-http', url }],
    },
    _meta: { [`${prefix}/gatehouse`]: { kind, status: 'active', isLatest: true } },
  };
}

/** Named after each other: the cursor is the last name of the page before. */
function page(all: readonly Shown[], { limit, cursor, search, version: wanted }: z.output<typeof query>) {
  const text = search?.toLowerCase();
  const isWanted = wanted === undefined || wanted === 'latest' || wanted === version;
  const found = all
    .filter(() => isWanted)
    .filter(({ server }) => text === undefined || `${server.name} ${server.title}`.toLowerCase().includes(text))
    .sort((a, b) => (a.server.name < b.server.name ? -1 : 1));
  const rest = cursor === undefined ? found : found.filter(({ server }) => server.name > cursor);
  const servers = rest.slice(0, limit);
  const last = rest.length > limit ? servers.at(-1)?.server.name : undefined;
  return { servers, metadata: { count: servers.length, ...(last !== undefined && { nextCursor: last }) } };
}

/** `https://gateway.example.com` is `com.example.gateway`. */
function reversedHost(baseUrl: string): string {
  const { hostname } = new URL(baseUrl);
  return /^[a-z0-9.-]+$/i.test(hostname) && !/^[\d.]+$/.test(hostname)
    ? hostname.split('.').reverse().join('.')
    : 'localhost';
}
