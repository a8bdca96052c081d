/** The configured identity providers, and the way out to them. */
import type { Identities } from '#adapters/identity/identities.ts';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { identityAdapters } from '#adapters/identity/index.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { settingError } from '#core/error.ts';
import { allowEntry } from '#http/address-guard.ts';
import { type Egress, openEgress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import { ownKind } from '#oauth/own-tokens.ts';
import type { MetadataDeps } from '#oauth/resource-metadata.ts';
import type { Closers } from './closers.ts';

/** Identity providers are the operator's word, wherever they are: exactly their hosts are opened. */
export function openConfiguredEgress({ egress, identity }: Config, closers: Closers): Egress {
  const urls = identity.flatMap((entry) => textsOf(entry.read()));
  const opened = openEgress({
    allow: [...egress.allow, ...urls.filter((url) => /^https?:/.test(url)).map(allowEntry)],
    proxy: { http: egress.httpProxy, https: egress.httpsProxy, none: egress.noProxy.join(',') },
  });
  closers.add('egress', () => opened.close());
  return opened;
}

/** Every text in a value, however deep: further issuers are in a list. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

export async function openConfiguredProviders(
  config: Config,
  deps: { readonly egress: Egress; readonly clock: Clock; readonly log: RootLog },
): Promise<readonly IdentityProvider[]> {
  const { egress, clock, log } = deps;
  const opening = config.identity.map((entry) =>
    identityAdapters.open(entry.read(), { fetch: egress.fetch, clock, log }),
  );
  const providers = await Promise.all(opening);
  const names = providers.map((provider) => provider.name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw settingError(`Two identity providers are named ${twice}: give one of them another name`);
  return providers;
}

/**
 * What discovery says of them: the built-in authorization server where somebody signs in through it, else the bridge, else
 * the identity providers' own, relayed only where there is exactly one to speak for (DESIGN ruling 15).
 */
export function discovery({
  providers,
}: Identities): Pick<MetadataDeps, 'authorizationServers' | 'authorizationServerMetadata' | 'builtIn'> {
  const builtIn = providers.find((provider) => provider.kind === ownKind);
  const bridge = providers.find((provider) => provider.mode === 'bridge');
  const direct = bridge ? [bridge] : providers.filter((provider) => provider !== builtIn && provider.mode === 'direct');
  const relayed = builtIn ? [] : direct.flatMap(({ metadata }) => (metadata ? [metadata] : []));
  return {
    authorizationServers: (builtIn ? [builtIn] : direct).flatMap(({ authorizationServer: url }) => url ?? []),
    authorizationServerMetadata: relayed.length === 1 ? relayed[0] : undefined,
    builtIn: builtIn !== undefined,
  };
}
