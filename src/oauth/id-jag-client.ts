/**
 * The other side of enterprise-managed authorization: this gateway gets an access token at a foreign authorization server
 * for a person, without a browser. An identity provider makes the assertion (or this gateway itself, where it is trusted
 * as one), and the server that guards the resource takes it. Tokens and assertions are never logged.
 */
import {
  allowInsecureRequests,
  type ClientAuth,
  ClientSecretBasic,
  type Configuration,
  customFetch,
  discovery,
  genericGrantRequest,
  None,
} from 'openid-client';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { idJagTokenType } from './grants/id-jag-mint.ts';
import { jwtBearer, tokenExchange } from './program-clients.ts';

export interface ForeignServer {
  readonly issuer: string;
  readonly clientId: string;
  /** Other than a secret: `PrivateKeyJwt` and the like of openid-client. */
  readonly clientAuth?: ClientAuth | undefined;
  readonly clientSecret?: string | undefined;
}

export interface IdJagRequest {
  /** Asked for the assertion; a function where this gateway makes it (`mintIdJag`). */
  readonly identityProvider: ForeignServer | (() => Promise<string>);
  /** The person's token at the identity provider; not asked for where the gateway makes the assertion. */
  readonly subjectToken?: { readonly token: string; readonly type: string } | undefined;
  readonly authorizationServer: ForeignServer;
  readonly resource?: string | undefined;
  readonly scope?: string | undefined;
}

export interface ObtainedToken {
  readonly accessToken: string;
  readonly scope: string | undefined;
  /** Unix milliseconds; undefined: not said. */
  readonly expiresAt: number | undefined;
}

export interface IdJagClientDeps {
  /** Guarded. */
  readonly fetch: typeof globalThis.fetch;
  readonly clock: Clock;
}

/** Throws GatehouseError `identity_unavailable` for whatever either of the two servers has against it. */
export async function obtainByIdJag(deps: IdJagClientDeps, request: IdJagRequest): Promise<ObtainedToken> {
  const { identityProvider, authorizationServer, resource, scope } = request;
  const more = { ...(resource !== undefined && { resource }), ...(scope !== undefined && { scope }) };
  try {
    const assertion =
      typeof identityProvider === 'function'
        ? await identityProvider()
        : await requestIdJag(deps, request, identityProvider);
    const server = await configurationOf(deps, authorizationServer);
    const answer = await genericGrantRequest(server, jwtBearer, { assertion, ...more });
    if (answer.token_type.toLowerCase() !== 'bearer') throw new Error(`a token of type ${answer.token_type}`);
    const { access_token: accessToken, expires_in: seconds } = answer;
    const expiresAt = seconds === undefined ? undefined : deps.clock.now() + seconds * 1000;
    return { accessToken, scope: answer.scope ?? scope, expiresAt };
  } catch (cause) {
    throw new GatehouseError('identity_unavailable', { cause });
  }
}

async function requestIdJag(
  deps: IdJagClientDeps,
  { subjectToken, authorizationServer, resource, scope }: IdJagRequest,
  identityProvider: ForeignServer,
): Promise<string> {
  if (!subjectToken) throw new Error('a subject token is needed');
  const answer = await genericGrantRequest(await configurationOf(deps, identityProvider), tokenExchange, {
    requested_token_type: idJagTokenType,
    audience: authorizationServer.issuer,
    subject_token: subjectToken.token,
    subject_token_type: subjectToken.type,
    ...(resource !== undefined && { resource }),
    ...(scope !== undefined && { scope }),
  });
  if (answer.issued_token_type !== idJagTokenType) throw new Error('the identity provider made something else');
  return answer.access_token;
}

/** Metadata is checked to be the issuer's own (RFC 8414 3.3) before a secret is sent anywhere (SECURITY A12). */
function configurationOf({ fetch }: IdJagClientDeps, server: ForeignServer): Promise<Configuration> {
  const issuer = new URL(server.issuer);
  const auth = server.clientAuth ?? (server.clientSecret ? ClientSecretBasic(server.clientSecret) : None());
  const plain = issuer.protocol === 'http:' && ['127.0.0.1', '[::1]', 'localhost'].includes(issuer.hostname);
  return discovery(issuer, server.clientId, undefined, auth, {
    algorithm: 'oauth2',
    [customFetch]: (url, { body, ...init }) => fetch(url, { ...init, ...(body != null && { body }) }),
    ...(plain && { execute: [allowInsecureRequests] }),
  });
}
