/** Who can call: the configured identity providers, and the built-in authorization server where one of them signs people in. */
import type { FastifyPluginAsync } from 'fastify';
import { type Identities, openIdentities } from '#adapters/identity/identities.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Limiter } from '#adapters/limiter/limiter.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { settingError } from '#core/error.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { addressReader } from '#http/client-address.ts';
import type { Egress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { rotateSigningKeys } from '#oauth/signing-keys.ts';
import type { AuditTrail } from '#records/audit/event.ts';
import { openBridge } from './bridge.ts';
import type { Closers } from './closers.ts';
import { forgetOnChange } from './directories.ts';
import { openConfiguredProviders } from './identities.ts';
import { openLocalAccounts } from './local-accounts.ts';
import { openOauthSealer } from './root-keys.ts';
import type { Storage } from './storage.ts';

/** `rotateSigningKeys`, for the admin API. Throws GatehouseError `setting` where the key is the operator's own. */
export function signingKeyRotation(
  { oauth: { signingAlgorithm: algorithm, signingKey } }: Config,
  { storage, clock }: { readonly storage: Pick<Storage, 'db' | 'rootSecret' | 'olderSecrets'>; readonly clock: Clock },
) {
  return ({ atOnce }: { readonly atOnce: boolean }) => {
    if (signingKey)
      throw settingError('The key that signs is given by JWT_PRIVATE_KEY_B64: set another one and restart');
    return rotateSigningKeys({ db: storage.db, sealer: openOauthSealer(storage), clock, algorithm }, { atOnce });
  };
}

export interface SignInDeps {
  readonly storage: Storage;
  readonly egress: Egress;
  readonly feed: ChangeFeed;
  /** As clients know the gateway, no trailing slash. */
  readonly baseUrl: string;
  readonly nameHosts: NameHosts | undefined;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  readonly trail?: AuditTrail;
  readonly limiter: Limiter;
}

export interface SignIn {
  readonly identities: Identities;
  /** All that are configured, brokers among them. */
  readonly providers: readonly IdentityProvider[];
  readonly plugins: readonly FastifyPluginAsync[];
  /** undefined: nobody signs in here with a browser. */
  readonly server: AuthorizationServer | undefined;
}

export async function openSignIn(config: Config, deps: SignInDeps): Promise<SignIn> {
  const { storage, closers, limiter } = deps;
  const sealer = openOauthSealer(storage);
  const localAccounts = await openLocalAccounts(storage.db, deps);
  const opened = await openConfiguredProviders(config, { ...deps, db: storage.db, localAccounts });
  // Before whoever asks them again hears of the change.
  closers.add('what identity providers remember', forgetOnChange(deps.feed, opened));
  const readAddress = addressReader(config.http.trustedProxies);
  const bridge = openBridge(opened, { ...deps, limiter, readAddress });
  const configured = bridge?.providers ?? opened;
  const brokers = configured.filter((provider) => provider.mode === 'broker');
  // A gateway that signs nobody in neither loads nor holds the library of the authorization server.
  const server =
    brokers.length === 0
      ? undefined
      : await (await import('./built-in-server.ts')).openBuiltInServer(config, {
          ...deps,
          ...{ sealer, brokers, limiter, readAddress },
        });
  // A broker's own tokens are for us alone, to sign people in with: none of its issuers is accepted from callers.
  const accepted = configured.filter((provider) => provider.mode !== 'broker');
  const identities = openIdentities(server ? [server.tokens, ...accepted] : accepted);
  closers.add('identity providers', async () => {
    await Promise.all(configured.map((provider) => provider.close()));
  });
  if (server) closers.add('authorization server', () => server.close());
  const plugins = server?.plugins ?? (bridge ? [bridge.plugin] : []);
  return { identities, providers: configured, server: server?.server, plugins };
}
