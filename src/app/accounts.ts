/** People's own accounts at servers, composed: their tokens for the data plane, the pages that link them, their health. */
import type { FastifyPluginAsync } from 'fastify';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { asGatehouseError } from '#core/error.ts';
import { principalKey } from '#core/principal.ts';
import { openSealer } from '#core/sealer.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { systemEvery } from '#db/notified-change-feed.ts';
import { type AuthorizeDeps, authorize } from '#gateway/authorize.ts';
import type { Metrics } from '#gateway/metrics.ts';
import type { AddressReader } from '#http/client-address.ts';
import type { Egress } from '#http/egress.ts';
import type { RootLog } from '#http/log.ts';
import type { AuthorizationServer } from '#oauth/authorization-server.ts';
import { openAccountTrail } from '#oauth/connect/account-trail.ts';
import { type Accounts, openAccounts } from '#oauth/connect/accounts.ts';
import { type Connections, type Linkable, openConnections } from '#oauth/connect/connections.ts';
import { openForeignClients } from '#oauth/connect/foreign-clients.ts';
import { openForeignServers } from '#oauth/connect/foreign-servers.ts';
import { openAccountHealth } from '#oauth/connect/health.ts';
import { connectPlugin } from '#oauth/connect/plugin.ts';
import type { AuditTrail } from '#records/audit/event.ts';
import { isOfCaller } from '#records/snapshot.ts';
import type { User } from '#records/users.ts';
import type { Closers } from './closers.ts';
import { type Storage, serverSecretSealer } from './storage.ts';

export interface AccountRoomsDeps {
  readonly storage: Storage;
  readonly egress: Egress;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  readonly baseUrl: string;
  readonly metrics: Metrics;
  readonly trail: AuditTrail;
  readonly readAddress: AddressReader;
  /** undefined: nobody signs in here with a browser, so nobody links anything. */
  readonly server: AuthorizationServer | undefined;
}

export interface AccountRooms {
  readonly accounts: Accounts;
  /** undefined: nobody links anything here. */
  readonly connections: Pick<Connections, 'list' | 'remove'> | undefined;
  /** What `linkables` may see is decided where calls are. */
  readonly plugins: (judging: AuthorizeDeps) => readonly FastifyPluginAsync[];
}

export function openAccountRooms(deps: AccountRoomsDeps): AccountRooms {
  const { storage, egress, feed, clock, log, closers, baseUrl, server, metrics } = deps;
  const { db, vault, rootSecret } = storage;
  const sealer = serverSecretSealer(storage);
  const { fetch } = egress;
  const servers = openForeignServers({ fetch, clock });
  const common = { db, vault, sealer, fetch, clock, baseUrl };
  const clients = openForeignClients(common);
  const record = openAccountTrail({ db, trail: deps.trail, issuer: baseUrl });
  const outcomes = { renewed: 0, delayed: 0, failed: 0 };
  const accounts = openAccounts({
    ...{ db, vault, sealer, clients, servers, feed, clock, log },
    record,
    pagesAt: server && baseUrl,
    ...{ issuer: baseUrl, mint: server && ((jag) => server.assert(jag)) },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    observe: (outcome) => {
      outcomes[outcome]++;
    },
  });
  closers.add('accounts', async () => accounts.close());
  const health = openAccountHealth({ db, accounts, clock, log, every: systemEvery, random: Math.random });
  closers.add('health of accounts', () => health.close());
  for (const outcome of ['renewed', 'delayed', 'failed'] as const)
    metrics.watchTotal(`accounts_${outcome}`, () => outcomes[outcome]);
  for (const state of ['ok', 'expiring', 'failed'] as const)
    metrics.watch(`connected_accounts_${state}`, () => health.counts[state]);
  return {
    accounts,
    connections: server && openConnections({ ...common, log, servers, clients }),
    plugins: (judging) => {
      if (!server) return [];
      const formKey = deriveKey(rootSecret.reveal(), 'connect-forms');
      const linkables = (person: User, organization: string) =>
        listLinkables(person, { organization, judging, provider: server.tokens, baseUrl });
      const rooms = { record, readAddress: deps.readAddress };
      // Links that lead on from our pages are served, hence sealed, by the sign-in.
      const onward = openSealer(deriveKey(rootSecret.reveal(), 'oauth-seal'));
      return [connectPlugin({ ...common, ...rooms, onward, log, servers, clients, server, formKey, linkables })];
    },
  };
}

interface Asked {
  readonly organization: string;
  readonly judging: AuthorizeDeps;
  readonly provider: IdentityProvider;
  readonly baseUrl: string;
}

/** By the same decision as for calls; undefined: it refuses them all. */
async function listLinkables(
  { id, subject }: User,
  { organization, judging, provider, baseUrl }: Asked,
): Promise<readonly Linkable[] | undefined> {
  const principal = {
    ...({ kind: 'user', key: principalKey(baseUrl, subject), issuer: baseUrl, subject } as const),
    ...{ claims: {}, expiresAt: Number.POSITIVE_INFINITY },
  };
  const wish = { path: { organization, name: undefined }, selector: undefined };
  try {
    const access = await authorize({ principal, provider, userId: id }, { ...wish, ...judging });
    const linked = access.endpoint.bindings.filter(
      (binding) => isOfCaller(binding) && binding.server.auth?.kind === 'connected' && binding.server.enabled,
    );
    const found = new Map(linked.map(({ server }) => [server.id, { organization: access.organization, server }]));
    return [...found.values()];
  } catch (thrown) {
    const { code, row } = asGatehouseError(thrown);
    if (row.http === 403 || row.http === 404 || code === 'invalid_token') return undefined;
    throw thrown;
  }
}
