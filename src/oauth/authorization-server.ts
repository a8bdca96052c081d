/**
 * The built-in authorization server: oidc-provider, mounted below Fastify as it is. Here are its settings and nothing of
 * the protocol; what it can't do stands in files beside this one (registration, introspection of JWTs, consent pages).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import Provider, {
  type Account,
  type CanBePromise,
  type Configuration,
  errors,
  type KoaContextWithOIDC,
  type TokenEndpointGrantContext,
  type UnknownObject,
} from 'oidc-provider';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import type { Log } from '#core/log.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import type { Sealer } from '#core/sealer.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { type Every, systemEvery } from '#db/notified-change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AddressReader } from '#http/client-address.ts';
import type { AuditTrail } from '#records/audit/event.ts';
import { findUser, type User } from '#records/users.ts';
import { checkState, closedEdges, defaultScopes } from './authorize.ts';
import { addClaims, shadowOf } from './claims.ts';
import { renderError } from './error-page.ts';
import { addGrants, grantMetadata } from './grants/grants.ts';
import { mintIdJag, type NewIdJag } from './grants/id-jag-mint.ts';
import { grantClaims } from './grants/token-claims.ts';
import { withServiceAccounts } from './grants/workload.ts';
import { interactionSettings } from './interaction/configuration.ts';
import { pageEdges } from './interaction/edges.ts';
import { devicePages, signOutPages } from './interaction/library-pages.ts';
import { mayIntrospect, mayRevoke } from './introspection.ts';
import { type Members, openMembers } from './members.ts';
import { mount, paths } from './mount.ts';
import { openOwnTokens } from './own-tokens.ts';
import { withProgramClients } from './program-clients.ts';
import { openRecordStore } from './record-store.ts';
import { withoutOfflineAccess } from './refresh-scope.ts';
import { recordRefusals } from './refusals.ts';
import { type Clients, openClients } from './registration/clients.ts';
import { requestReads } from './request-reads.ts';
import { parseResource, type ResourceRules } from './resource.ts';
import { adminScope, mcpScopes, type OauthSettings } from './settings.ts';
import { openSigningKeys, type SigningKey } from './signing-keys.ts';
import { openStrangers, type Strangers } from './strangers.ts';
import { openSweeper } from './sweeper.ts';
import { recordTokens } from './token-trail.ts';
import { writingAtOnce } from './token-writes.ts';

export interface AuthorizationServerDeps {
  /** The base URL, no trailing slash: issuer, and prefix of every endpoint. */
  readonly issuer: string;
  readonly settings: OauthSettings;
  /** Where servers have host names of their own: resources beside those below the issuer. */
  readonly nameHosts?: NameHosts | undefined;
  readonly db: Db;
  readonly sealer: Sealer;
  /** Sign cookies; the first one for new ones. */
  readonly cookieKeys: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly feed: ChangeFeed;
  /** For client metadata documents and issuers' keys: guarded. */
  readonly fetch: typeof globalThis.fetch;
  readonly limiter: Limiter;
  readonly readAddress: AddressReader;
  /** How often one address may begin something, a sign-in above all. */
  readonly perAddressPerMinute: number;
  /** Who signs people in. */
  readonly brokers: readonly IdentityProvider[];
  readonly every?: Every;
  readonly trail?: AuditTrail | undefined;
}

export interface AuthorizationServer {
  /** The one in charge now: another one after the signing keys changed, so it is not to be kept. */
  readonly provider: Provider;
  /** Our own tokens, to be accepted like any identity provider's. */
  readonly tokens: IdentityProvider;
  readonly members: Members;
  /** Counts whoever begins something: for the pages, which are mounted beside. */
  readonly strangers: Strangers;
  /** Who is signed in with this browser; undefined: nobody, or somebody who may not be any more. */
  personOf(req: IncomingMessage, res: ServerResponse): Promise<User | undefined>;
  /** As `personOf`, and when they signed in (Unix milliseconds, cut to the second). */
  signInOf(
    req: IncomingMessage,
    res: ServerResponse,
  ): Promise<{ readonly user: User; readonly signedInAt: number } | undefined>;
  /** Ends the session of this browser; what clients hold stays good. */
  signOut(req: IncomingMessage, res: ServerResponse): Promise<void>;
  /** The gateway's own word on who somebody is, for one foreign authorization server. */
  assert(jag: NewIdJag): Promise<string>;
  readonly plugin: FastifyPluginAsync;
  /** Removes what expired and moves signing keys on, as the timer does it. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

const identityScopes = ['openid', 'profile', 'email', 'offline_access'] as const;
export const scopes: readonly string[] = [...identityScopes, ...mcpScopes, adminScope];

/**
 * What the parts beside this file add to every provider that is built: middleware (`provider.use`), grants
 * (`registerGrantType`), listeners. Called again for each new set of signing keys: no state of their own per call.
 */
type Extension = (provider: Provider, deps: AuthorizationServerDeps) => void;
const extensions: readonly Extension[] = [closedEdges, pageEdges, recordRefusals, recordTokens];

/** Throws GatehouseError `setting` where the signing keys can't be opened, `storage_unavailable`. */
export async function openAuthorizationServer(deps: AuthorizationServerDeps): Promise<AuthorizationServer> {
  const { issuer, settings } = deps;
  const rules: ResourceRules = { baseUrl: issuer, external: settings.resources, nameHosts: deps.nameHosts };
  const keys = await openSigningKeys({
    ...deps,
    algorithm: settings.signingAlgorithm,
    given: settings.signingKey,
    accessTokenSeconds: settings.accessTokenSeconds,
  });
  const members = openMembers(deps);
  const strangers = openStrangers(deps);
  const clients = openClients({ ...deps, scopes, provider: () => built.provider });
  const build = () => {
    const provider = buildProvider(deps, configuration(deps, { rules, members, clients, keys: keys.current }));
    clients.extend(provider);
    addGrants(provider, { ...deps, members, keys }, paths);
    return { provider, callback: provider.callback() };
  };
  let built = build();
  keys.onChange(() => {
    built = build();
    deps.log.info({ keys: keys.current.map(({ jwk, state }) => `${jwk.kid} ${state}`) }, 'the signing keys changed');
  });
  const signInOf: AuthorizationServer['signInOf'] = async (req, res) => {
    const session = await built.provider.Session.get(built.provider.createContext(req, res));
    const { accountId: value, loginTs = 0 } = session;
    if (value === undefined) return undefined;
    const user = await withPlatform(deps.db, (scope) => findUser(scope, { column: 'subject', value }));
    const signedInAt = loginTs * 1000;
    return user?.active && signedInAt >= (user.signedOutAt ?? 0) ? { user, signedInAt } : undefined;
  };
  const sweeper = openSweeper({ ...deps, keys, every: deps.every ?? systemEvery });
  return {
    get provider() {
      return built.provider;
    },
    tokens: openOwnTokens({
      ...deps,
      members,
      key: keys.find,
      shadowOf,
      isOurResource: (audience) => parseResource(audience, rules) !== undefined,
    }),
    members,
    strangers,
    personOf: async (req, res) => (await signInOf(req, res))?.user,
    signInOf,
    async signOut(req, res) {
      const session = await built.provider.Session.get(built.provider.createContext(req, res));
      if (session.accountId !== undefined) await session.destroy();
    },
    assert: async (jag) => (await mintIdJag({ keys, clock: deps.clock, issuer }, jag)).assertion,
    plugin: async (app) => {
      await app.register(clients.plugin);
      await app.register(mount({ issuer, strangers, callback: () => built.callback }));
    },
    sweep: sweeper.sweep,
    async close() {
      await sweeper.close();
      keys.close();
      members.close();
    },
  };
}

function buildProvider(deps: AuthorizationServerDeps, settings: Configuration): Provider {
  /** The library registers its own grants by the same method, from its constructor: all of them write at once. */
  class AtOnce extends Provider {
    override registerGrantType<Params extends object = UnknownObject>(
      name: string,
      handler: (ctx: TokenEndpointGrantContext<Params>) => CanBePromise<void>,
      params?: string | readonly string[] | ReadonlySet<string>,
      duplicates?: string | readonly string[] | ReadonlySet<string>,
    ): void {
      const lenient = name === 'refresh_token' ? withoutOfflineAccess(handler) : handler;
      super.registerGrantType<Params>(name, writingAtOnce(deps, name, lenient), params, duplicates);
    }
  }
  const provider = new AtOnce(deps.issuer, settings);
  provider.proxy = true;
  for (const extend of extensions) extend(provider, deps);
  return provider;
}

const claimsByScope = {
  openid: ['sub'],
  profile: ['name', 'preferred_username'],
  email: ['email', 'email_verified'],
} as const;

interface Parts {
  readonly rules: ResourceRules;
  readonly members: Members;
  readonly clients: Clients;
  readonly keys: readonly SigningKey[];
}

function configuration(deps: AuthorizationServerDeps, { rules, members, clients, keys }: Parts): Configuration {
  const { settings, db, issuer } = deps;
  const people = new WeakMap<object, User>();
  return {
    adapter: withServiceAccounts(withProgramClients(clients.over(openRecordStore(deps)), db), db),
    fetch: clients.fetch,
    jwks: { keys: keys.map((key) => key.jwk) },
    routes: paths,
    responseTypes: ['code'],
    scopes,
    claims: claimsByScope,
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    revokeGrantPolicy: () => true,
    expiresWithSession: async () => false,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    allowOmittingSingleRegisteredRedirectUri: false,
    clientBasedCORS: () => true,
    cookies: cookies(deps),
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: settings.signingAlgorithm,
    },
    enabledJWA: { idTokenSigningAlgValues: [settings.signingAlgorithm] },
    ttl: lifetimes(settings),
    discovery: { ...grantMetadata, resource_indicators_supported: true, mcp_protocol_version: '2025-06-18' },
    renderError,
    extraParams: { state: checkState, scope: defaultScopes(scopes) },
    features: {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true, ...devicePages },
      rpInitiatedLogout: { enabled: true, ...signOutPages },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, client, token) => mayIntrospect(db, ctx, { client, token }),
      },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => mayRevoke(client, token) },
      dPoP: { enabled: true, nonceSecret: deriveKey(deps.cookieKeys[0] ?? '', 'dpop-nonce') },
      pushedAuthorizationRequests: { enabled: true },
      ...clients.features,
      resourceIndicators: resourceIndicators(deps, { rules, keys, scopes }),
    },
    formats: {
      customizers: {
        jwt: async (ctx, token, { payload }) => {
          const account = ctx?.oidc.entities.Account;
          const granted = await grantClaims(db, rules, token);
          await addClaims({ db, members, rules }, { token, payload, user: account && people.get(account), granted });
        },
      },
    },
    findAccount: (ctx, sub, token) => findAccount(db, people, { sub, signedInAt: signedInAt(ctx, token) }),
    interactions: interactionSettings(db, issuer),
  };
}

function resourceIndicators(
  { issuer, settings }: AuthorizationServerDeps,
  { rules, keys, scopes }: Pick<Parts, 'rules' | 'keys'> & { readonly scopes: readonly string[] },
): NonNullable<Configuration['features']>['resourceIndicators'] {
  return {
    enabled: true,
    useGrantedResource: async () => true,
    defaultResource: async (_ctx, _client, oneOf) => oneOf?.[0] ?? issuer,
    getResourceServerInfo: async (_ctx, resource) => {
      const parsed = parseResource(resource, rules);
      if (!parsed) throw new errors.InvalidTarget();
      return {
        scope: scopes.filter((name) => name !== adminScope || parsed.kind === 'gateway').join(' '),
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: settings.accessTokenSeconds,
        jwt: { sign: { alg: settings.signingAlgorithm, kid: keys[0]?.jwk.kid } },
      };
    },
  };
}

/** Of what is redeemed, or of the session. Unix milliseconds, cut to the second; undefined: nobody signed in for it. */
function signedInAt(ctx: KoaContextWithOIDC, token: object | undefined): number | undefined {
  const seconds = token && 'authTime' in token ? token.authTime : ctx.oidc.session?.loginTs;
  return typeof seconds === 'number' ? seconds * 1000 : undefined;
}

async function findAccount(
  db: Db,
  people: WeakMap<object, User>,
  { sub, signedInAt }: { readonly sub: string; readonly signedInAt: number | undefined },
): Promise<Account | undefined> {
  const user =
    requestReads()?.users.get(sub) ??
    (await withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: sub })));
  if (!user?.active) return undefined;
  if (signedInAt !== undefined && user.signedOutAt !== undefined && signedInAt < user.signedOutAt) return undefined;
  const { email, emailVerified: email_verified, name, username } = user;
  const account = {
    accountId: sub,
    claims: async () => ({ sub, email, email_verified, name, preferred_username: username }),
  };
  people.set(account, user);
  return account;
}

/** `__Host-` and `__Secure-` (RFC 6265bis 4.1.3) need TLS: on loopback without it, their plain names. */
function cookies({ issuer, cookieKeys }: AuthorizationServerDeps): Configuration['cookies'] {
  const secure = issuer.startsWith('https:');
  const common = { httpOnly: true, sameSite: 'lax', secure, overwrite: true, signed: true } as const;
  return {
    keys: [...cookieKeys],
    names: {
      session: secure ? '__Host-gw_as' : 'gw_as',
      // Bound to the path of one sign-in, which `__Host-` forbids.
      interaction: secure ? '__Secure-gw_in' : 'gw_in',
      resume: secure ? '__Secure-gw_re' : 'gw_re',
    },
    long: { ...common, path: '/' },
    short: common,
  };
}

const anonymousSessionSeconds = 600;

/** Seconds. */
function lifetimes(settings: OauthSettings): Configuration['ttl'] {
  return {
    AccessToken: settings.accessTokenSeconds,
    ClientCredentials: settings.accessTokenSeconds,
    AuthorizationCode: 60,
    RefreshToken: settings.refreshTokenSeconds,
    Grant: settings.refreshTokenSeconds,
    IdToken: settings.accessTokenSeconds,
    Interaction: 600,
    DeviceCode: 600,
    // Idle, and never beyond the most since the person signed in.
    Session: (_ctx, { loginTs = Date.now() / 1000, accountId }) => {
      // Nobody's yet: a form's secret, for as long as somebody may type.
      if (accountId === undefined) return anonymousSessionSeconds;
      const left = Math.floor(loginTs + settings.sessionMaxSeconds - Date.now() / 1000);
      return Math.max(1, Math.min(settings.sessionIdleSeconds, left));
    },
  };
}
