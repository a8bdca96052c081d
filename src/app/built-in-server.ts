/** The built-in authorization server and its pages. Loaded where somebody signs in through them, and only there. */
import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Config } from '#config/load.ts';
import { deriveKey } from '#core/derive.ts';
import type { Sealer } from '#core/sealer.ts';
import type { AddressReader } from '#http/client-address.ts';
import { type AuthorizationServer, openAuthorizationServer } from '#oauth/authorization-server.ts';
import { interactionPlugin } from '#oauth/interaction/plugin.ts';
import { rootKeys } from './root-keys.ts';
import type { SignInDeps } from './sign-in.ts';

export interface BuiltInServer {
  readonly server: AuthorizationServer;
  /** Its own tokens, accepted like any identity provider's. */
  readonly tokens: IdentityProvider;
  readonly plugins: readonly FastifyPluginAsync[];
  close(): Promise<void>;
}

export interface BuiltInServerDeps extends SignInDeps {
  readonly sealer: Sealer;
  /** Who signs people in. */
  readonly brokers: readonly IdentityProvider[];
  readonly limiter: Limiter;
  readonly readAddress: AddressReader;
}

export async function openBuiltInServer(config: Config, deps: BuiltInServerDeps): Promise<BuiltInServer> {
  const { storage, baseUrl, nameHosts, sealer, brokers, limiter, readAddress, clock, log } = deps;
  const { db } = storage;
  const rootSecret = storage.rootSecret.reveal();
  const cookies = rootKeys(storage, 'oauth-cookies');
  const server = await openAuthorizationServer({
    issuer: baseUrl,
    settings: config.oauth,
    nameHosts,
    db,
    sealer,
    cookieKeys: [cookies.key, ...cookies.older].map((key) => key.toString('base64url')),
    clock,
    log,
    feed: deps.feed,
    fetch: deps.egress.fetch,
    limiter,
    readAddress,
    perAddressPerMinute: config.limits.address.requestsPerMinute,
    brokers,
    trail: deps.trail,
  });
  const pages = interactionPlugin({
    server,
    issuer: baseUrl,
    providers: brokers,
    rules: { baseUrl, external: config.oauth.resources, nameHosts },
    db,
    sealer,
    formKey: deriveKey(rootSecret, 'oauth-forms'),
    readAddress,
    clock,
    log,
    trail: deps.trail,
  });
  return { server, tokens: server.tokens, plugins: [server.plugin, pages], close: server.close };
}
