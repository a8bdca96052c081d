/**
 * Forward authentication: a reverse proxy asks here whether it may pass a request on (Traefik ForwardAuth, Caddy
 * forward_auth, nginx auth_request). For services behind other host names that know nothing of OAuth themselves.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { readHeaders } from '#http/headers.ts';
import { type Forwarded, findResource, readForwarded } from './forwarded.ts';

/** Who a good token stands for. */
export interface VerifiedCaller {
  readonly subject: string;
  readonly name: string | undefined;
  readonly email: string | undefined;
  /** As the token names it, as long as they belong to it. */
  readonly organization: string | undefined;
  /** `aud` of the token. */
  readonly audiences: readonly string[];
  /** undefined: the token is limited by none. */
  readonly scopes: readonly string[] | undefined;
}

export interface VerifyDeps {
  /** For whose word on the forwarded request this is done at all: nobody else is answered. */
  readonly isProxy: (socketAddress: string) => boolean;
  /** Resources that proxies may ask for (RFC 8707 URLs, no trailing slash); a request belongs to the longest it is below. */
  readonly resources: readonly string[];
  /** `request`: as the client sent it to the proxy. Rejects `no_token`, `invalid_token`, `invalid_dpop_proof`, `identity_unavailable`. */
  readonly identify: (
    headers: { readonly authorization: string | undefined; readonly dpop: string | undefined },
    request: { readonly method: string; readonly url: string },
  ) => Promise<VerifiedCaller>;
  /** Counts a failed sign-in from this socket address. Throws or rejects `rate_limited`. */
  readonly takeStranger: (socketAddress: string, forwardedFor: string | undefined) => void | Promise<void>;
  /** The token itself goes to the service as X-Auth-Token. */
  readonly passToken: boolean;
}

const neededScopes = ['mcp:read', 'mcp:write'] as const;

export function verifyPlugin(deps: VerifyDeps): FastifyPluginAsync {
  return async (app) => {
    // Whatever body came along is the service's, and not read.
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _body, done) => done(null));
    app.route({
      method: ['GET', 'POST'],
      url: '/verify',
      handler: async (request, reply) => {
        reply.header('Cache-Control', 'no-store');
        if (!deps.isProxy(request.raw.socket.remoteAddress ?? '')) return reply.code(404).send({ error: 'Not found' });
        const forwarded = readForwarded(request.raw.rawHeaders);
        const resource = forwarded && findResource(deps.resources, forwarded.url);
        if (!forwarded || !resource) return refuseAudience(reply, 'The forwarded request is for no known resource');
        return verify(request, reply, { forwarded, resource });
      },
    });
  };

  async function verify(
    request: FastifyRequest,
    reply: FastifyReply,
    { forwarded, resource }: { readonly forwarded: Forwarded; readonly resource: string },
  ): Promise<FastifyReply> {
    // A second copy of either is refused: the proxy or the service may read another one than we do.
    const { authorization, dpop, forwardedFor } = readHeaders(request.raw.rawHeaders, request.raw.httpVersion);
    try {
      const method = forwarded.method ?? 'GET';
      const caller = await deps.identify({ authorization, dpop }, { method, url: forwarded.url.href });
      if (!caller.audiences.includes(resource)) return refuseAudience(reply, 'The token is not for this resource');
      // What the request does is in its body, which nobody here reads: a token must be good for all of it.
      if (caller.scopes && !neededScopes.every((scope) => caller.scopes?.includes(scope)))
        throw new GatehouseError('insufficient_scope');
      return reply
        .headers(identityHeaders(caller, deps.passToken ? authorization : undefined))
        .code(200)
        .send('');
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      if (error.code !== 'insufficient_scope') {
        if (error.row.http !== 401) throw error;
        await deps.takeStranger(request.raw.socket.remoteAddress ?? '', forwardedFor);
      }
      return reply
        .code(error.row.http)
        .header('WWW-Authenticate', challengeFor(error, resource))
        .send({ error: error.row.challenge === 'none' ? 'unauthorized' : error.row.challenge });
    }
  }
}

function refuseAudience(reply: FastifyReply, why: string): FastifyReply {
  return reply.code(403).send({ error: 'invalid_audience', error_description: why });
}

/** RFC 6750 3 and RFC 9728 5.1: the document is on the service's own host name, below which the proxy leads here. */
function challengeFor({ row }: GatehouseError, resource: string): string {
  const { origin, pathname } = new URL(resource);
  const metadata = `${origin}/.well-known/oauth-protected-resource${pathname.replace(/\/$/, '')}`;
  const code = row.challenge === 'none' ? '' : `error="${row.challenge}", `;
  const scheme = row.challenge === 'invalid_dpop_proof' ? 'DPoP' : 'Bearer';
  return `${scheme} ${code}scope="${neededScopes.join(' ')}", resource_metadata="${metadata}"`;
}

/** Each one is always there: an empty one replaces what a client may have sent under its name. */
function identityHeaders(caller: VerifiedCaller, authorization: string | undefined): Record<string, string> {
  return {
    'X-User-Id': headerText(caller.subject),
    'X-User-Name': headerText(caller.name ?? ''),
    'X-User-Email': headerText(caller.email ?? ''),
    'X-Organization-Id': headerText(caller.organization ?? ''),
    'X-Auth-Token': authorization?.replace(/^\S+ +/, '').trim() ?? '',
  };
}

/** Header values are Latin-1 on the wire: what isn't printable ASCII goes percent-encoded, CR and LF never. */
function headerText(text: string): string {
  return text.toWellFormed().replace(/[^\x20-\x7e]/gu, (character) => encodeURIComponent(character));
}
