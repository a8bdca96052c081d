/** The configured identity providers, and the way out to them. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import type { Identities } from '#adapters/identity/identities.ts';
import type { IdentityProvider, LocalAccountStore } from '#adapters/identity/identity.ts';
import { identityAdapters } from '#adapters/identity/index.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { settingError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { isNamed } from '#gateway/authorize.ts';
import { allowEntry } from '#http/address-guard.ts';
import { type Egress, type EgressOptions, openEgress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import type { MetadataDeps } from '#oauth/resource-metadata.ts';
import { ownKind } from '#oauth/settings.ts';
import { openAccounts } from '#records/accounts.ts';
import type { SnapshotStore } from '#records/snapshot.ts';
import { scimSource } from '#records/users.ts';
import type { Closers } from './closers.ts';
import { proxySettings } from './proxy.ts';

/** Identity providers are the operator's word, wherever they are: exactly their hosts are opened. */
export function openConfiguredEgress(config: Config, closers: Closers): Egress {
  return openEgressFor(config, closers);
}

function openEgressFor(
  { egress, identity, oauth }: Config,
  closers: Closers,
  tls: Pick<EgressOptions, 'ca' | 'identity'> = {},
): Egress {
  const urls = [...identity.map((entry) => entry.read()), oauth.assertionIssuers, oauth.workloadIssuers].flatMap(
    textsOf,
  );
  const opened = openEgress({
    allow: [...egress.allow, ...urls.filter((url) => /^https?:/.test(url)).map(allowEntry)],
    proxy: proxySettings({ egress }),
    ...tls,
  });
  closers.add('egress', () => opened.close());
  return opened;
}

/** Every text in a value, however deep: further issuers are in a list. */
function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

export interface ProviderDeps {
  readonly egress: Egress;
  readonly db: Db;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  readonly localAccounts?: LocalAccountStore;
}

const tlsSchema = z.object({
  tls: z
    .object({ caFile: z.string().optional(), certFile: z.string().optional(), keyFile: z.string().optional() })
    .optional(),
});

/** An entry with `tls` has a way out of its own: its authorities and our certificate are for its hosts alone. */
async function egressOf(config: Config, settings: object, { egress, closers }: ProviderDeps): Promise<Egress> {
  const { tls } = tlsSchema.parse(settings);
  if (tls === undefined) return egress;
  const read = async (name: keyof typeof tls) => {
    const path = tls[name];
    if (path === undefined) return undefined;
    const from = config.file === undefined ? '.' : dirname(config.file);
    return readFile(resolve(from, path), 'utf8').catch((cause) => {
      throw settingError(`The ${name} ${path} of an identity provider cannot be read: correct tls.${name}`, cause);
    });
  };
  const [ca, cert, key] = await Promise.all([read('caFile'), read('certFile'), read('keyFile')]);
  if ((cert === undefined) !== (key === undefined)) {
    throw settingError('tls of an identity provider needs certFile and keyFile together: add the other one');
  }
  return openEgressFor(config, closers, { ...(ca && { ca }), ...(cert && key && { identity: { cert, key } }) });
}

export async function openConfiguredProviders(
  config: Config,
  deps: ProviderDeps,
): Promise<readonly IdentityProvider[]> {
  const { clock, log, localAccounts } = deps;
  const accounts = openAccounts({ db: deps.db, clock, log });
  const opening = config.identity.map(async (entry) => {
    const settings = entry.read();
    const { fetch } = await egressOf(config, settings, deps);
    return identityAdapters.open(settings, {
      fetch,
      clock,
      log,
      accounts,
      ...(localAccounts && { localAccounts }),
    });
  });
  const providers = await Promise.all(opening);
  const names = providers.map((provider) => provider.name);
  if (names.includes(scimSource))
    throw settingError(`No identity provider may be named ${scimSource}: give it another name`);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice) throw settingError(`Two identity providers are named ${twice}: give one of them another name`);
  return providers;
}

/**
 * What discovery says of them: the built-in authorization server where somebody signs in through it, else the bridge, else
 * the identity providers' own, relayed only where there is exactly one to speak for (DESIGN ruling 15).
 */
export function discovery(
  { providers }: Identities,
  /** Whether the second is a name of the organization that the first names. */
  isSameOrganization: (configured: string, called: string) => Promise<boolean>,
): Pick<MetadataDeps, 'authorizationServersOf' | 'authorizationServerMetadata' | 'builtIn'> & {
  readonly hasSignIn: boolean;
} {
  const builtIn = providers.find((provider) => provider.kind === ownKind);
  const bridge = providers.find((provider) => provider.mode === 'bridge');
  if (bridge) return speaksForAll(bridge);
  const direct = providers.filter((provider) => provider !== builtIn && provider.mode === 'direct');
  const relayed = builtIn ? [] : direct.flatMap(({ metadata }) => (metadata ? [metadata] : []));
  const urlsOf = (of: readonly IdentityProvider[]) => of.flatMap(({ authorizationServer: url }) => url ?? []);
  const everybodys = builtIn ? [builtIn] : direct.filter(({ organization }) => organization === undefined);
  return {
    hasSignIn: urlsOf(builtIn ? [builtIn] : direct).length > 0,
    async authorizationServersOf(called) {
      if (called === undefined) return urlsOf(everybodys);
      const own: IdentityProvider[] = [];
      for (const provider of direct) {
        const { organization } = provider;
        if (organization !== undefined && (await isSameOrganization(organization, called))) own.push(provider);
      }
      return urlsOf(own.length > 0 ? own : everybodys);
    },
    authorizationServerMetadata: relayed.length === 1 ? relayed[0] : undefined,
    builtIn: builtIn !== undefined,
  };
}

/** The bridge: every endpoint's authorization server, whatever organization it is of. */
function speaksForAll({ authorizationServer, metadata }: IdentityProvider): ReturnType<typeof discovery> {
  const servers = authorizationServer === undefined ? [] : [authorizationServer];
  return {
    hasSignIn: true,
    authorizationServersOf: () => servers,
    authorizationServerMetadata: metadata,
    builtIn: false,
  };
}

/** Whether `called` is a name of the organization that the configuration names. Only configured names are looked up. */
export async function isSameOrganization(
  snapshots: SnapshotStore,
  configured: string,
  called: string,
): Promise<boolean> {
  if (configured === called) return true;
  const organization = snapshots.find(configured) ?? (await snapshots.load(configured));
  return organization !== undefined && isNamed(organization, called);
}
