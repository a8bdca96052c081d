/**
 * Discovery for clients (RFC 9728, RFC 8414): which authorization server guards which MCP endpoint. Public; says nothing of
 * what exists: every well-formed MCP path has a document. Without an identity provider there is none at all, since clients
 * drop a configured API key as soon as a server offers OAuth.
 */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Log } from '#core/log.ts';
import { reservedSegments } from '#core/reserved.ts';

export interface MetadataDeps {
  /** No trailing slash. */
  readonly baseUrl: string;
  /** Of the identity providers that are on. Empty: API keys only. */
  readonly authorizationServers: readonly string[];
  /** The authorization server's own document, checked; undefined where there isn't exactly one to relay. Rejects when it can't be had. */
  readonly authorizationServerMetadata: (() => Promise<Readonly<Record<string, unknown>>>) | undefined;
  /** The built-in authorization server answers for its own document. */
  readonly builtIn: boolean;
  readonly log: Log;
}

const resourcePath = /^\/(?:([A-Za-z0-9_-]{1,128})\/)?mcp(?:\/[A-Za-z0-9][A-Za-z0-9._-]{0,127})?\/?$/;

export function metadataPlugin(app: FastifyInstance, deps: MetadataDeps): void {
  const { baseUrl, authorizationServers } = deps;

  function sendResource(reply: FastifyReply, path: string): FastifyReply {
    const organization = resourcePath.exec(path)?.[1];
    const known = path === '/' || (resourcePath.test(path) && !(organization && reservedSegments.has(organization)));
    if (authorizationServers.length === 0 || !known) return reply.code(404).send({ error: 'Not found' });
    const resource = path === '/' ? `${baseUrl}/` : baseUrl + path.replace(/\/$/, '');
    return reply.send({ resource, authorization_servers: authorizationServers, bearer_methods_supported: ['header'] });
  }

  app.register(async (scope) => {
    scope.addHook('onSend', async (_request, reply) => {
      reply.header('Access-Control-Allow-Origin', '*');
      reply.header('Cache-Control', 'public, max-age=300');
    });
    scope.get('/.well-known/oauth-protected-resource', (_request, reply) => sendResource(reply, '/'));
    scope.get<{ Params: { '*': string } }>('/.well-known/oauth-protected-resource/*', (request, reply) => {
      const rest = request.params['*'];
      return sendResource(reply, `/${rest}`);
    });
    const relayed = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];
    for (const path of deps.builtIn ? [] : relayed) {
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
