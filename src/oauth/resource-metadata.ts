/**
 * Discovery for clients (RFC 9728, RFC 8414): which authorization server guards which MCP endpoint. Public; says nothing of
 * what exists: every well-formed MCP path has a document. Without an identity provider there is none at all, since clients
 * drop a configured API key as soon as a server offers OAuth.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '#core/log.ts';
import { formatMcpPath, parseMcpPath } from '#core/mcp-path.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import { resourceQuery } from '#core/resource.ts';
import { answerPreflight } from '#http/cors.ts';

export interface MetadataDeps {
  /** No trailing slash. */
  readonly baseUrl: string;
  /**
   * Of the endpoints of an organization, by any name it has; undefined: of the gateway as a whole, where nothing is said
   * that is one organization's own. Empty: API keys only.
   */
  readonly authorizationServersOf: (organization: string | undefined) => readonly string[] | Promise<readonly string[]>;
  /** The authorization server's own document, checked; undefined where there isn't exactly one to relay. Rejects when it can't be had. */
  readonly authorizationServerMetadata: (() => Promise<Readonly<Record<string, unknown>>>) | undefined;
  /** The built-in authorization server answers for its own document. */
  readonly builtIn: boolean;
  /** Resources behind other host names, that a proxy asks `/verify` for. */
  readonly external: readonly string[];
  readonly nameHosts: NameHosts | undefined;
  readonly log: Log;
}

/** What our tokens know and the data plane checks; others' authorization servers never heard of it. */
const ofOurTokens = {
  scopes_supported: ['mcp:read', 'mcp:write'],
  dpop_signing_alg_values_supported: ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'],
  dpop_bound_access_tokens_required: false,
};

/** The one on this host whose path is asked for; at the root of a host with only one resource, that one. */
function findExternal(external: readonly string[], host: string | undefined, target: string): string | undefined {
  const here = external.filter((url) => new URL(url).host === host?.toLowerCase());
  const path = target.replace(/\?.*$/, '').replace(/\/$/, '');
  if (path === '' && here.length === 1) return here[0];
  return here.find((url) => new URL(url).pathname.replace(/\/$/, '') === path);
}

export function metadataPlugin(app: FastifyInstance, deps: MetadataDeps): void {
  const { baseUrl, builtIn } = deps;

  async function sendResource(reply: FastifyReply, { resource, name, servers }: Described): Promise<FastifyReply> {
    const authorizationServers = await servers;
    if (authorizationServers.length === 0) return reply.code(404).send({ error: 'Not found' });
    return reply.send({
      resource,
      authorization_servers: authorizationServers,
      bearer_methods_supported: ['header'],
      ...(builtIn && { resource_name: name, ...ofOurTokens }),
    });
  }

  /** `target`: what follows the well-known prefix: the path of the resource and its query. */
  function describe(request: FastifyRequest, target: string): Described | undefined {
    const external = findExternal(deps.external, request.headers.host, target);
    if (external) return { resource: external, name: external, servers: builtIn ? [baseUrl] : [] };
    const name = deps.nameHosts?.find(request.headers.host?.toLowerCase() ?? '');
    if (name !== undefined) return describeName(name, target);
    const domain = deps.nameHosts?.organizationAt?.(request.headers.host?.toLowerCase() ?? '');
    if (domain) return describeDomain(domain, target);
    if (/^\/?(?:\?|$)/.test(target))
      return { resource: `${baseUrl}/`, name: 'Gatehouse', servers: deps.authorizationServersOf(undefined) };
    const path = parseMcpPath(target);
    if (!path) return undefined;
    return {
      resource: baseUrl + formatMcpPath(path) + resourceQuery(target),
      name: `Gatehouse ${formatMcpPath(path)}`,
      servers: deps.authorizationServersOf(path.organization),
    };
  }

  /** On the domain of an organization; at the root, all of it. */
  function describeDomain(
    { organization, origin }: { readonly organization: string; readonly origin: string },
    target: string,
  ): Described | undefined {
    const path = /^\/?(?:\?|$)/.test(target) ? { organization: undefined, name: undefined } : parseMcpPath(target);
    if (!path || path.organization !== undefined) return undefined;
    const resource = origin + formatMcpPath(path) + resourceQuery(target);
    return { resource, name: `Gatehouse ${resource}`, servers: deps.authorizationServersOf(organization) };
  }

  /** On the host of a server there is one resource, whether its path is asked for or the root. */
  function describeName(name: string, target: string): Described | undefined {
    if (!/^(?:\/mcp)?\/?(?:\?|$)/.test(target)) return undefined;
    const resource = `${deps.nameHosts?.originOf(name)}/mcp${resourceQuery(target)}`;
    return { resource, name: `Gatehouse ${name}`, servers: deps.authorizationServersOf(undefined) };
  }

  app.register(async (scope) => {
    scope.addHook('onSend', async (_request, reply) => {
      reply.header('Access-Control-Allow-Origin', '*');
      reply.header('Cache-Control', 'public, max-age=300');
    });
    const prefix = '/.well-known/oauth-protected-resource';
    for (const route of [prefix, `${prefix}/*`]) {
      // Clients in browsers ask with MCP-Protocol-Version, and so ask before.
      scope.options(route, (_request, reply) => {
        reply.hijack();
        answerPreflight(reply.raw, '*', 'GET');
      });
      scope.get(route, (request, reply) => {
        const described = describe(request, (request.raw.url ?? '').slice(prefix.length));
        return described ? sendResource(reply, described) : reply.code(404).send({ error: 'Not found' });
      });
    }
    const relayed = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];
    for (const path of builtIn ? [] : relayed) {
      scope.get(path, async (_request, reply) => {
        const metadata = deps.authorizationServerMetadata;
        if (!metadata) return reply.code(404).send({ error: 'Not found' });
        try {
          return reply.send(await metadata());
        } catch (cause) {
          deps.log.warn({ err: cause }, 'the authorization server gave no usable metadata');
          return reply
            .code(502)
            .header('Cache-Control', 'no-store')
            .send({ error: 'The authorization server cannot be reached' });
        }
      });
    }
  });
}

interface Described {
  readonly resource: string;
  readonly name: string;
  readonly servers: readonly string[] | Promise<readonly string[]>;
}
