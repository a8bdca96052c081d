/** The OAuth side of `login`: where a gateway signs people in, our client there, and tokens for administering (scope `admin:*`). */
import { randomBytes } from 'node:crypto';
import * as oidc from 'openid-client';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { freePort, listenForBrowser, openBrowser } from './browser-return.ts';
import type { Io } from './io.ts';
import { type Login, type LoginClient, placeOf } from './login-store.ts';
import { printable } from './output.ts';

/** What of it the gateway's own server gives to whoever administers; nothing of what MCP clients have. */
const scope = 'admin:*';
const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';

export interface Gateway {
  /** As `placeOf`. */
  readonly url: string;
  readonly issuer: string;
  readonly resource: string;
}

const described = z.object({ resource: z.url(), authorization_servers: z.array(z.url()).min(1) });

/** RFC 9728. Throws `upstream_unreachable`, `setting`. */
export async function findGateway(io: Io, url: string): Promise<Gateway> {
  const answer = await io
    .fetch(`${url}/.well-known/oauth-protected-resource`, { redirect: 'error', signal: AbortSignal.timeout(10_000) })
    .catch((cause: unknown) => {
      throw new GatehouseError('upstream_unreachable', {
        message: `No gateway answers at ${url}: start it, or correct the address`,
        cause,
      });
    });
  const found = described.safeParse(await answer.json().catch(() => undefined)).data;
  const issuer = found?.authorization_servers[0];
  if (!answer.ok || !found || issuer === undefined)
    throw new GatehouseError('setting', {
      message: `Nobody signs in at ${url} with a browser: give --key, or turn on its sign-in (identity)`,
    });
  // Whoever claims to be another gateway would be handed a token for it (RFC 9728 3.3).
  const named = placeOf(new URL(found.resource));
  if (named !== url)
    throw new GatehouseError('setting', {
      message: `The gateway at ${url} calls itself ${printable(named)}: sign in with \`gatehouse login ${printable(named)}\``,
    });
  return { url, issuer, resource: found.resource };
}

const isLoopback = (url: string) => /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(new URL(url).hostname);

function discoveryOptions(io: Io, issuer: string): oidc.DiscoveryRequestOptions {
  return {
    algorithm: 'oauth2',
    timeout: 30,
    [oidc.customFetch]: (url, options) => io.fetch(url, options as RequestInit),
    // Tokens in the clear stay on this machine.
    ...(isLoopback(issuer) && { execute: [oidc.allowInsecureRequests] }),
  };
}

interface OpenClient {
  readonly config: oidc.Configuration;
  readonly client: LoginClient;
}

const registration = z.object({ registration_client_uri: z.url(), registration_access_token: z.string() });

/** A new one for each sign-in: it is forgotten where it signs out. */
async function registerClient(io: Io, { issuer }: Gateway): Promise<OpenClient> {
  const config = await translated(issuer, () =>
    oidc.dynamicClientRegistration(
      new URL(issuer),
      {
        client_name: 'Gatehouse command line',
        redirect_uris: ['http://127.0.0.1/callback'],
        grant_types: ['authorization_code', 'refresh_token', deviceGrant],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        application_type: 'native',
      },
      oidc.None(),
      discoveryOptions(io, issuer),
    ),
  );
  const metadata = config.clientMetadata();
  const own = registration.safeParse(metadata).data;
  const isTheirs = own && new URL(own.registration_client_uri).origin === new URL(issuer).origin;
  const { client_id: id } = metadata;
  return {
    config,
    client: {
      id,
      ...(isTheirs && { registration: { uri: own.registration_client_uri, token: own.registration_access_token } }),
    },
  };
}

const discover = (io: Io, { issuer, client }: Pick<Login, 'issuer' | 'client'>) =>
  translated(issuer, () =>
    oidc.discovery(new URL(issuer), client.id, undefined, oidc.None(), discoveryOptions(io, issuer)),
  );

/** Authorization code with PKCE, back on loopback (RFC 8252). Rejects `invalid_token` when nobody signs in. */
export async function signInWithBrowser(io: Io, gateway: Gateway): Promise<Login> {
  const { config, client } = await registerClient(io, gateway);
  const [port, state, verifier] = [
    await freePort(),
    randomBytes(24).toString('base64url'),
    oidc.randomPKCECodeVerifier(),
  ];
  const redirect = `http://127.0.0.1:${port}/callback`;
  const waiting = await listenForBrowser(port, state);
  try {
    const url = oidc.buildAuthorizationUrl(config, {
      ...{ redirect_uri: redirect, scope, resource: gateway.resource, state },
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    });
    io.err(`Sign in with your browser: ${url.href}\n`);
    openBrowser(url, io.env);
    const answer = await waiting.answer;
    const tokens = await translated(gateway.issuer, () =>
      oidc.authorizationCodeGrant(
        config,
        new URL(`${redirect}?${answer}`),
        { pkceCodeVerifier: verifier, expectedState: state },
        { resource: gateway.resource },
      ),
    );
    return loginOf(gateway, client, tokens);
  } finally {
    waiting.close();
  }
}

/** With a browser anywhere (RFC 8628). */
export async function signInWithDevice(io: Io, gateway: Gateway): Promise<Login> {
  const { config, client } = await registerClient(io, gateway);
  const { issuer, resource } = gateway;
  const started = await translated(issuer, () => oidc.initiateDeviceAuthorization(config, { scope, resource }));
  io.err(
    `Open ${printable(started.verification_uri)} in any browser and enter ${printable(started.user_code)}\n` +
      `(it works for ${Math.round(started.expires_in / 60)} minutes; enter no code that somebody else gave you)\n`,
  );
  const interrupted = new AbortController();
  io.onSignal(() => interrupted.abort());
  const tokens = await translated(issuer, () =>
    oidc.pollDeviceAuthorizationGrant(config, started, { resource }, { signal: interrupted.signal }),
  );
  return loginOf(gateway, client, tokens);
}

/** Throws `invalid_token` where the sign-in is over. */
export async function renew(io: Io, login: Login): Promise<Login> {
  const { issuer, resource, refreshToken, client } = login;
  if (refreshToken === undefined) throw new GatehouseError('invalid_token');
  const config = await discover(io, login);
  const tokens = await translated(issuer, () => oidc.refreshTokenGrant(config, refreshToken, { resource }));
  return { ...loginOf({ issuer, resource }, client, tokens), refreshToken: tokens.refresh_token ?? refreshToken };
}

/** Tokens end there, and the client with them. Rejects where the server cannot be reached. */
export async function endAtServer(io: Io, login: Login): Promise<void> {
  const config = await discover(io, login);
  await translated(login.issuer, () => oidc.tokenRevocation(config, login.refreshToken ?? login.accessToken));
  const { registration: own } = login.client;
  if (!own) return;
  await io.fetch(own.uri, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${own.token}` },
    redirect: 'error',
    signal: AbortSignal.timeout(30_000),
  });
}

type Tokens = Awaited<ReturnType<typeof oidc.refreshTokenGrant>>;

function loginOf({ issuer, resource }: Pick<Login, 'issuer' | 'resource'>, client: LoginClient, tokens: Tokens): Login {
  if (tokens.scope !== undefined && !tokens.scope.split(' ').includes(scope))
    throw new GatehouseError('insufficient_scope', { message: `The sign-in gave no right to administer (${scope})` });
  return {
    ...{ issuer, resource, client, accessToken: tokens.access_token },
    ...(tokens.refresh_token !== undefined && { refreshToken: tokens.refresh_token }),
    expiresAt: Date.now() + (tokens.expires_in ?? 300) * 1000,
  };
}

const over: ReadonlySet<string> = new Set(['invalid_grant', 'invalid_client', 'access_denied', 'expired_token']);

async function translated<T>(issuer: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const { host } = new URL(issuer);
    if (cause instanceof oidc.ResponseBodyError) {
      const said = printable(cause.error_description ?? cause.error);
      if (over.has(cause.error))
        throw new GatehouseError('invalid_token', { message: `${host} refused the sign-in: ${said}`, cause });
      throw new GatehouseError('upstream_broken', { message: `${host} could not sign you in: ${said}`, cause });
    }
    const code = cause instanceof oidc.ClientError ? cause.code : undefined;
    if (code === 'OAUTH_HTTP_REQUEST_FORBIDDEN')
      throw new GatehouseError('setting', {
        message: `${issuer} is plain http: tokens would travel in the clear`,
        cause,
      });
    throw new GatehouseError('upstream_unreachable', {
      message: `${host} could not sign you in${code === undefined ? ': it does not answer' : ` (${code})`}`,
      cause,
    });
  }
}
