/**
 * The built-in authorization server: oidc-provider, mounted below Fastify as it is. Here are its settings and nothing of
 * the protocol; what it can't do stands in files beside this one (registration, introspection of JWTs, consent pages).
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import type { JWTPayload } from 'jose';
import Provider, { type AccessToken, type ClientCredentials, type Configuration, errors } from 'oidc-provider';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { upsertOauthRecord } from '#records/oauth-records.ts';
import { findUser } from '#records/users.ts';
import { addGrants, grantMetadata } from './grants/grants.ts';
import { grantClaims } from './grants/token-claims.ts';
import { mayIntrospect, mayRevoke } from './introspection.ts';
import { openOwnTokens } from './own-tokens.ts';
import { digestOf, openRecordStore } from './record-store.ts';
import { parseResource, type ResourceRules } from './resource.ts';
import { withServiceClients } from './service-clients.ts';
import type { OauthSettings } from './settings.ts';
import { openSigningKeys } from './signing-keys.ts';

export interface AuthorizationServerDeps {
  /** The base URL, no trailing slash: issuer, and prefix of every endpoint. */
  readonly issuer: string;
  readonly settings: OauthSettings;
  readonly db: Db;
  readonly sealer: Sealer;
  /** Sign cookies; the first one for new ones. */
  readonly cookieKeys: readonly string[];
  readonly clock: Clock;
  readonly log: Log;
  readonly feed: ChangeFeed;
  /** For client metadata documents and issuers' keys: guarded. */
  readonly fetch: typeof globalThis.fetch;
  /** Who signs people in. */
  readonly brokers: readonly IdentityProvider[];
}

export interface AuthorizationServer {
  /** The one in charge now: another one after the signing keys changed, so it is not to be kept. */
  readonly provider: Provider;
  /** Our own tokens, to be accepted like any identity provider's. */
  readonly tokens: IdentityProvider;
  readonly plugin: FastifyPluginAsync;
  close(): Promise<void>;
}

export const paths = {
  authorization: '/authorize',
  token: '/token',
  registration: '/register',
  pushed_authorization_request: '/par',
  device_authorization: '/device/authorize',
  code_verification: '/device',
  revocation: '/revoke',
  introspection: '/introspect',
  jwks: '/jwks',
  userinfo: '/userinfo',
  end_session: '/session/end',
} as const;

export const mcpScopes = ['mcp:read', 'mcp:write', 'mcp:session'] as const;
const identityScopes = ['openid', 'profile', 'email', 'offline_access'] as const;

/**
 * What the parts beside this file add to every provider that is built: middleware (`provider.use`), grants
 * (`registerGrantType`), listeners. Called again for each new set of signing keys: no state of their own per call.
 */
type Extension = (provider: Provider, deps: AuthorizationServerDeps) => void;
const extensions: readonly Extension[] = [(provider, deps) => addGrants(provider, deps, paths)];

export async function openAuthorizationServer(deps: AuthorizationServerDeps): Promise<AuthorizationServer> {
  const { issuer, db, clock, settings } = deps;
  const keys = await openSigningKeys(db, deps.sealer, settings.signingAlgorithm);
  const rules: ResourceRules = { baseUrl: issuer, external: settings.resources };
  const provider = new Provider(issuer, configuration(deps, rules, keys));
  provider.proxy = true;
  for (const extend of extensions) extend(provider, deps);
  const tokens = openOwnTokens({
    issuer,
    db,
    clock,
    keys: () => ({
      keys: keys.map(({ jwk: { kty, kid, alg, use, n, e, crv, x, y } }) => ({
        kty: kty ?? '',
        kid,
        alg,
        use,
        n,
        e,
        crv,
        x,
        y,
      })),
    }),
    shadowOf,
    isOurResource: (audience) => parseResource(audience, rules) !== undefined,
  });
  return {
    get provider() {
      return provider;
    },
    tokens,
    plugin: mount(provider, issuer),
    close: async () => undefined,
  };
}

export const shadowOf = (jti: string): string => digestOf(`jwt.${jti}`);

function configuration(
  { settings, db, clock, cookieKeys, issuer }: AuthorizationServerDeps,
  rules: ResourceRules,
  keys: readonly { readonly jwk: object }[],
): Configuration {
  return {
    adapter: withServiceClients(openRecordStore(db, clock), db),
    jwks: { keys: keys.map((key) => key.jwk) },
    routes: paths,
    responseTypes: ['code'],
    scopes: [...identityScopes, ...mcpScopes],
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'],
    pkce: { required: () => true },
    rotateRefreshToken: true,
    revokeGrantPolicy: () => true,
    expiresWithSession: async () => false,
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    allowOmittingSingleRegisteredRedirectUri: false,
    cookies: { keys: [...cookieKeys] },
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      id_token_signed_response_alg: settings.signingAlgorithm,
    },
    enabledJWA: { idTokenSigningAlgValues: [settings.signingAlgorithm] },
    ttl: {
      AccessToken: settings.accessTokenSeconds,
      ClientCredentials: settings.accessTokenSeconds,
      AuthorizationCode: 60,
      RefreshToken: settings.refreshTokenSeconds,
      Grant: settings.refreshTokenSeconds,
      IdToken: settings.accessTokenSeconds,
      Interaction: 600,
      Session: settings.sessionMaxSeconds,
      DeviceCode: 600,
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      deviceFlow: { enabled: true },
      introspection: {
        enabled: true,
        allowedPolicy: (ctx, client, token) => mayIntrospect(db, ctx, { client, token }),
      },
      revocation: { enabled: true, allowedPolicy: async (_ctx, client, token) => mayRevoke(client, token) },
      dPoP: { enabled: true, nonceSecret: deriveKey(cookieKeys[0] ?? '', 'dpop-nonce') },
      pushedAuthorizationRequests: { enabled: true },
      registration: { enabled: settings.registration.enabled, initialAccessToken: false },
      registrationManagement: { enabled: settings.registration.enabled, rotateRegistrationAccessToken: false },
      resourceIndicators: {
        enabled: true,
        useGrantedResource: async () => true,
        defaultResource: async (_ctx, _client, oneOf) => oneOf?.[0] ?? issuer,
        getResourceServerInfo: async (_ctx, resource) => {
          if (!parseResource(resource, rules)) throw new errors.InvalidTarget();
          return {
            scope: [...identityScopes, ...mcpScopes].join(' '),
            audience: resource,
            accessTokenFormat: 'jwt',
            accessTokenTTL: settings.accessTokenSeconds,
            jwt: { sign: { alg: settings.signingAlgorithm } },
          };
        },
      },
    },
    discovery: grantMetadata,
    formats: {
      customizers: {
        async jwt(_ctx, token, jwt) {
          Object.assign(jwt.payload, await grantClaims(db, rules, token));
          await keepShadow(db, token, jwt.payload);
        },
      },
    },
    async findAccount(_ctx, sub) {
      const user = await withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: sub }));
      if (!user?.active) return undefined;
      const { email, emailVerified: email_verified, name, username } = user;
      return {
        accountId: sub,
        claims: async () => ({ sub, email, email_verified, name, preferred_username: username }),
      };
    },
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  };
}

/** JWTs are never stored by the library: a row of their own makes them revocable (and `introspect` possible). */
async function keepShadow(db: Db, token: AccessToken | ClientCredentials, payload: JWTPayload): Promise<void> {
  await upsertOauthRecord(db, {
    model: 'AccessToken',
    id: shadowOf(String(payload.jti)),
    payload: { kind: 'AccessToken', clientId: token.clientId, scope: token.scope, aud: payload.aud },
    clientId: token.clientId,
    accountId: 'accountId' in token ? token.accountId : undefined,
    grantId: 'grantId' in token ? token.grantId : undefined,
    expiresAt: Number(payload.exp) * 1000,
  });
}

const discovery = ['/.well-known/oauth-authorization-server', '/.well-known/openid-configuration'];
const mounted = [
  ...Object.values(paths),
  `${paths.authorization}/:uid`,
  `${paths.registration}/:clientId`,
  ...discovery,
];

/** Node's request and response go in unparsed. The host is ours whatever the client says: metadata is built from it. */
function mount(provider: Provider, issuer: string): FastifyPluginAsync {
  const callback = provider.callback();
  const { host, protocol } = new URL(issuer);
  return async (app: FastifyInstance) => {
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _body, done) => done(null));
    for (const url of mounted) {
      app.all(url, (request, reply) => {
        reply.hijack();
        request.raw.headers.host = host;
        request.raw.headers['x-forwarded-proto'] = protocol.slice(0, -1);
        delete request.raw.headers['x-forwarded-host'];
        run(callback, request.raw, reply.raw);
      });
    }
  };
}

function run(
  callback: (req: IncomingMessage, res: ServerResponse) => unknown,
  req: IncomingMessage,
  res: ServerResponse,
) {
  void callback(req, res);
}
