/** The configured identity providers, and the way out to them. */
import { type Identities, openIdentities } from '#adapters/identity/identities.ts';
import { identityAdapters } from '#adapters/identity/index.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { allowEntry } from '#http/address-guard.ts';
import { type Egress, openEgress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import type { MetadataDeps } from '#oauth/resource-metadata.ts';
import type { Closers } from './closers.ts';

/** Identity providers are the operator's word, wherever they are: exactly their hosts are opened. */
export function openConfiguredEgress({ egress, identity }: Config, closers: Closers): Egress {
  const urls = identity.flatMap((entry) => Object.values(entry)).filter((value) => typeof value === 'string');
  const opened = openEgress({
    allow: [...egress.allow, ...urls.filter((url) => /^https?:/.test(url)).map(allowEntry)],
    proxy: { http: egress.httpProxy, https: egress.httpsProxy, none: egress.noProxy.join(',') },
  });
  closers.add('egress', () => opened.close());
  return opened;
}

export async function openConfiguredIdentities(
  config: Config,
  deps: { readonly egress: Egress; readonly clock: Clock; readonly log: RootLog; readonly closers: Closers },
): Promise<Identities> {
  const { egress, clock, log, closers } = deps;
  const opening = config.identity.map((entry) => identityAdapters.open(entry, { fetch: egress.fetch, clock, log }));
  const identities = openIdentities(await Promise.all(opening));
  closers.add('identity providers', () => identities.close());
  return identities;
}

/** What discovery says of them. Relayed only where there is exactly one to speak for (DESIGN ruling 15). */
export function discovery({
  providers,
}: Identities): Pick<MetadataDeps, 'authorizationServers' | 'authorizationServerMetadata'> {
  const relayed = providers.flatMap(({ metadata }) => (metadata ? [metadata] : []));
  return {
    authorizationServers: providers.flatMap(({ authorizationServer: url }) => (url === undefined ? [] : [url])),
    authorizationServerMetadata: relayed.length === 1 ? relayed[0] : undefined,
  };
}
