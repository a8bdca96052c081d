/**
 * The built-in authorization server on real PostgreSQL behind a listening server, and tokens from it without a browser:
 * `signIn` makes the user and the grant directly, everything else goes through the real endpoints.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import fastify, { type FastifyPluginAsync } from 'fastify';
import { z } from 'zod';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import { type Clock, systemClock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { type Log, silentLog } from '#core/log.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import { openSealer } from '#core/sealer.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { withPlatform } from '#db/scope.ts';
import { addressReader } from '#http/client-address.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { createTestDatabase, openTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { type AuthorizationServer, openAuthorizationServer } from '#oauth/authorization-server.ts';
import { interactionPlugin } from '#oauth/interaction/plugin.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { type User, upsertIdentity } from '#records/users.ts';

export const testRootSecret = 'a root secret that only the tests know, 48 letters';

export const oauthDefaults: OauthSettings = {
  signingAlgorithm: 'RS256',
  accessTokenSeconds: 600,
  refreshTokenSeconds: 2_592_000,
  clientSeconds: 7_776_000,
  sessionIdleSeconds: 3600,
  sessionMaxSeconds: 43_200,
  registration: { enabled: true, perAddressPerHour: 5000, pending: 50_000 },
  clientMetadataDocuments: true,
  resources: [],
  assertionIssuers: [],
  workloadIssuers: [],
};

export interface TestServerOptions {
  /** Shared with another one: two replicas. Made, and dropped by `close`, unless given. */
  readonly database?: TestDatabase;
  /** Default: where it listens. A second replica is given the first one's. */
  readonly issuer?: string;
  readonly settings?: Partial<OauthSettings>;
  readonly nameHosts?: NameHosts;
  readonly clock?: Clock;
  readonly log?: Log;
  /** ENCRYPTION_KEY: as a gateway's on the same database, tokens made here are good there. */
  readonly rootSecret?: string;
  readonly fetch?: typeof globalThis.fetch;
  /** Identity providers in broker mode. */
  readonly brokers?: readonly IdentityProvider[];
  readonly plugins?: readonly FastifyPluginAsync[];
  readonly trustedProxies?: readonly string[];
  /** Default: as many as the test likes. */
  readonly perAddressPerMinute?: number;
  /** Consent page, callback and the rest of what browsers see, for `brokers`. */
  readonly pages?: boolean;
}

export interface TestServer {
  /** Issuer, no trailing slash. */
  readonly issuer: string;
  /** Where this replica listens: the issuer unless another one was given. */
  readonly url: string;
  readonly database: TestDatabase;
  readonly feed: OpenChangeFeed;
  readonly server: AuthorizationServer;
  close(): Promise<void>;
}

export async function openTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const database = options.database ?? (await createTestDatabase());
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLog;
  let handle = (_req: IncomingMessage, res: ServerResponse): void => {
    res.writeHead(503).end();
  };
  const listening = await listenOnLoopback(createServer({ keepAliveTimeout: 60_000 }, (req, res) => handle(req, res)));
  const url = `http://127.0.0.1:${listening.port}`;
  const issuer = options.issuer ?? url;
  const secret = options.rootSecret ?? testRootSecret;
  // Each replica hears of changes over a connection of its own.
  const notifications = options.database ? await openTestDatabase(database.url) : database.database;
  const feed = await openChangeFeed({ db: database.db, notifications, log });
  const limiter = await limiterAdapters.open({ kind: 'memory' }, { log });
  const server = await openAuthorizationServer({
    issuer,
    settings: { ...oauthDefaults, ...options.settings },
    nameHosts: options.nameHosts,
    db: database.db,
    sealer: openSealer(deriveKey(secret, 'oauth-seal')),
    cookieKeys: [deriveKey(secret, 'oauth-cookies').toString('base64url')],
    clock,
    log,
    feed,
    fetch: options.fetch ?? globalThis.fetch,
    brokers: options.brokers ?? [],
    limiter,
    readAddress: addressReader(options.trustedProxies ?? []),
    perAddressPerMinute: options.perAddressPerMinute ?? 1_000_000,
  });
  const app = fastify({ routerOptions: { ignoreTrailingSlash: true } });
  const pages = interactionPlugin({
    server,
    issuer,
    providers: options.brokers ?? [],
    rules: { baseUrl: issuer, external: options.settings?.resources ?? [], nameHosts: options.nameHosts },
    db: database.db,
    sealer: openSealer(deriveKey(secret, 'oauth-seal')),
    formKey: deriveKey(secret, 'oauth-forms'),
    readAddress: (address) => address,
    clock,
    log,
  });
  for (const plugin of [server.plugin, ...(options.pages ? [pages] : []), ...(options.plugins ?? [])])
    await app.register(plugin);
  await app.ready();
  handle = (req, res) => app.routing(req, res);
  return {
    issuer,
    url,
    database,
    feed,
    server,
    async close() {
      await listening.close();
      await app.close();
      await server.close();
      await limiter.close();
      await feed.close();
      if (options.database) await notifications.close();
      else await database.close();
    },
  };
}

export interface TestClient {
  readonly id: string;
  readonly secret: string | undefined;
  readonly redirectUri: string;
  /** The whole answer of the registration. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

const registered = z.looseObject({ client_id: z.string(), client_secret: z.string().optional() });

/** Dynamic registration (RFC 7591); a public client unless `metadata` says otherwise. */
export async function registerClient(
  { url }: Pick<TestServer, 'url'>,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<TestClient> {
  const redirectUri = 'https://client.example/callback';
  const answer = await fetch(`${url}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      client_name: 'Test client',
      redirect_uris: [redirectUri],
      token_endpoint_auth_method: 'none',
      ...metadata,
    }),
  });
  const text = await answer.text();
  if (answer.status !== 201) throw new Error(`registration answered ${answer.status}: ${text}`);
  const body = registered.parse(JSON.parse(text));
  const first = z.array(z.string()).catch([redirectUri]).parse(body.redirect_uris)[0];
  return { id: body.client_id, secret: body.client_secret, redirectUri: first ?? redirectUri, metadata: body };
}

export interface SignInOptions {
  /** Of the identity; a fresh person unless given. */
  readonly subject?: string;
  /** The identity provider's name. */
  readonly provider?: string;
  readonly email?: string;
  readonly name?: string;
  readonly username?: string;
  readonly client?: TestClient;
  /** Default: the issuer, so the whole gateway. */
  readonly resource?: string;
  readonly scope?: string;
}

export interface Code {
  readonly code: string;
  readonly verifier: string;
  readonly client: TestClient;
  readonly user: User;
  readonly grantId: string;
  readonly resource: string;
}

/** An authorization code as if the person had signed in and agreed. */
export async function issueCode(test: TestServer, options: SignInOptions = {}): Promise<Code> {
  const { provider } = test.server;
  const client = options.client ?? (await registerClient(test));
  const resource = options.resource ?? test.issuer;
  const scope = options.scope ?? 'mcp:read mcp:write';
  const user = await withPlatform(test.database.db, (platform) =>
    upsertIdentity(
      platform,
      {
        provider: options.provider ?? 'test',
        subject: options.subject ?? randomUUID(),
        email: options.email ?? 'ada@example.com',
        emailVerified: true,
        name: options.name ?? 'Ada Lovelace',
        username: options.username ?? 'ada',
      },
      Date.now(),
    ),
  );
  const grant = new provider.Grant({ accountId: user.subject, clientId: client.id });
  grant.addOIDCScope(scope);
  grant.addResourceScope(resource, scope);
  const grantId = await grant.save();
  const known = await provider.Client.find(client.id);
  if (!known) throw new Error('the client is not registered');
  const verifier = randomBytes(32).toString('base64url');
  const code = new provider.AuthorizationCode({
    client: known,
    accountId: user.subject,
    grantId,
    gty: 'authorization_code',
    redirectUri: client.redirectUri,
    codeChallenge: createHash('sha256').update(verifier).digest('base64url'),
    codeChallengeMethod: 'S256',
    resource,
    scope,
    authTime: Math.floor(Date.now() / 1000),
  });
  return { code: await code.save(), verifier, client, user, grantId, resource };
}

export interface TokenAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A form to an endpoint; confidential clients authenticate by `client_secret_basic`. */
export async function postForm(
  url: string,
  form: Readonly<Record<string, string>>,
  { client, headers = {} }: { readonly client?: TestClient; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<TokenAnswer> {
  const body = new URLSearchParams(form);
  const basic = client?.secret && Buffer.from(`${client.id}:${client.secret}`).toString('base64');
  if (client && !basic) body.set('client_id', client.id);
  const answer = await fetch(url, {
    method: 'POST',
    headers: { ...(basic && { authorization: `Basic ${basic}` }), ...headers },
    body,
    redirect: 'manual',
  });
  const text = await answer.text();
  const parsed: unknown = text.startsWith('{') ? JSON.parse(text) : { text };
  return { status: answer.status, headers: answer.headers, body: z.record(z.string(), z.unknown()).parse(parsed) };
}

export const redeem = ({ url }: Pick<TestServer, 'url'>, { code, verifier, client, resource }: Code) =>
  postForm(
    `${url}/token`,
    { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: client.redirectUri, resource },
    { client },
  );

export interface SignedInClient extends Code {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly scope: string;
}

const tokens = z.looseObject({ access_token: z.string(), refresh_token: z.string().default(''), scope: z.string() });

/** A person signed in through a client, with the tokens the token endpoint gave. */
export async function signIn(test: TestServer, options: SignInOptions = {}): Promise<SignedInClient> {
  const code = await issueCode(test, options);
  const answer = await redeem(test, code);
  if (answer.status !== 200) throw new Error(`/token answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  const { access_token, refresh_token, scope } = tokens.parse(answer.body);
  return { ...code, accessToken: access_token, refreshToken: refresh_token, scope };
}

/** The refresh grant. */
export const refresh = (
  { url }: Pick<TestServer, 'url'>,
  {
    client,
    refreshToken,
    ...form
  }: { readonly client: TestClient; readonly refreshToken: string } & Readonly<
    Partial<Record<'scope' | 'resource', string>>
  >,
): Promise<TokenAnswer> =>
  postForm(`${url}/token`, { grant_type: 'refresh_token', refresh_token: refreshToken, ...form }, { client });
