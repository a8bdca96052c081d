/**
 * Bridge mode (REQUIREMENTS S2): an authorization server for MCP clients in front of Entra ID's v2.0 endpoints, which take
 * neither `resource` nor strangers' scopes, register nobody, and give access tokens that only Microsoft Graph can verify.
 * Browsers are redirected, token requests are passed on, and the ID token stands in for the access token. Nothing is kept:
 * state, PKCE and redirect URI stay between client and Entra, so any replica serves any request.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { BridgedServer } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { type AddressReader, addressKey } from '#http/client-address.ts';
import { type OauthAnswer, refusal } from './answer.ts';
import { authorize, pinnedScopes } from './authorize.ts';
import { register } from './register.ts';
import { openTokenExchange } from './token.ts';

export interface EntraBridgeDeps {
  /** As clients know the gateway, no trailing slash: the issuer. */
  readonly baseUrl: string;
  readonly server: BridgedServer;
  readonly clock: Clock;
  readonly log: Log;
  readonly limiter: Limiter;
  readonly readAddress: AddressReader;
}

export interface EntraBridge {
  /** RFC 8414, and what OpenID Connect Discovery adds to it. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly plugin: FastifyPluginAsync;
}

/** Codes of Entra have about 1 KB, refresh tokens 2, assertions of confidential clients a little more. */
const maxBodyBytes = 64 * 1024;

export function openEntraBridge(deps: EntraBridgeDeps): EntraBridge {
  const { server, clock } = deps;
  const exchange = openTokenExchange(deps);
  const plugin: FastifyPluginAsync = async (app) => {
    takeBodiesAsText(app);
    // The second of each pair: clients of 2025-03-26 that read no metadata go to the root.
    for (const path of ['/oauth2/authorize', '/authorize']) {
      app.get(path, (request, reply) => send(reply, authorize(queryOf(request), server)));
    }
    for (const path of ['/oauth2/token', '/token']) {
      app.options(path, answerPreflight);
      app.post(path, async (request, reply) => {
        const { 'content-type': type, authorization, 'x-forwarded-for': forwardedFor } = request.headers;
        const address = addressKey(deps.readAddress(request.raw.socket.remoteAddress ?? '', forwardedFor?.toString()));
        return send(reply, await exchange({ address, body: textOf(request.body), type, authorization }));
      });
    }
    app.options('/register', answerPreflight);
    app.post('/register', (request, reply) =>
      send(reply, register(textOf(request.body), { clientId: server.clientId, nowMs: clock.now() })),
    );
  };
  return { metadata: metadataOf(deps), plugin };
}

function metadataOf({ baseUrl, server }: EntraBridgeDeps): Readonly<Record<string, unknown>> {
  return {
    issuer: baseUrl,
    authorization_endpoint: `${baseUrl}/oauth2/authorize`,
    token_endpoint: `${baseUrl}/oauth2/token`,
    registration_endpoint: `${baseUrl}/register`,
    jwks_uri: server.jwksUri,
    scopes_supported: pinnedScopes,
    response_types_supported: ['code'],
    response_modes_supported: ['query'],
    grant_types_supported: ['authorization_code', 'refresh_token'],
    code_challenge_methods_supported: ['S256'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
  };
}

/** The bodies are forms and JSON of any label; what is in them is judged by whoever reads them. */
function takeBodiesAsText(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: maxBodyBytes }, (_request, body, done) =>
    done(null, body),
  );
  app.setErrorHandler((thrown, _request, reply) => {
    const status = thrown instanceof Error && 'statusCode' in thrown ? Number(thrown.statusCode) : 500;
    if (!(status >= 400 && status < 500)) throw thrown;
    return send(reply, refusal(status, 'invalid_request', 'The request body cannot be read'));
  });
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body : '');

function queryOf({ raw }: FastifyRequest): URLSearchParams {
  const { url = '' } = raw;
  const start = url.indexOf('?');
  return new URLSearchParams(start < 0 ? '' : url.slice(start + 1));
}

/** Clients that run in a browser read the answers: they follow from the request alone, no cookie is looked at. */
const openToBrowsers = { 'access-control-allow-origin': '*' };

function answerPreflight(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .headers({
      ...openToBrowsers,
      'access-control-allow-methods': 'POST',
      'access-control-allow-headers': 'Authorization, Content-Type, Accept, MCP-Protocol-Version',
      'access-control-max-age': '600',
    })
    .send();
}

function send(reply: FastifyReply, { status, headers = {}, body }: OauthAnswer): FastifyReply {
  const fixed = {
    'cache-control': 'no-store',
    pragma: 'no-cache',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    ...openToBrowsers,
  };
  reply.code(status).headers({ ...headers, ...fixed });
  return body === undefined ? reply.send() : reply.type('application/json; charset=utf-8').send(body);
}
