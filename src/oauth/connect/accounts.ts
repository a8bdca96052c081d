/**
 * The tokens of people's own accounts: in memory for a minute, renewed ahead of their end by one replica at a time, given
 * up where their authorization server says no. A refresh token is used once, whatever happens beside it: who may use it is
 * decided by a row (`takeLease`).
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asCredentialId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import {
  type AccountPlace,
  accountPlace,
  type ConnectedAccount,
  failAccount,
  findConnectedAccount,
  saveDelayed,
  saveFailed,
  saveMissingScopes,
  saveRenewed,
  takeLease,
} from '#records/connected-accounts.ts';
import type { ServerAuth } from '#records/server-auth.ts';
import type { AccountHolder, AccountNeeded, AccountToken, UpstreamAccounts } from '#records/upstream-accounts.ts';
import { accountRequired, type LinkDeps } from './account-errors.ts';
import type { RecordAccount } from './account-trail.ts';
import { type ExchangesDeps, openExchanges } from './exchanges.ts';
import type { ForeignClients, ForeignClientsDeps } from './foreign-clients.ts';
import { type ForeignServers, issuerOf } from './foreign-servers.ts';
import {
  isFinal,
  type KeptTokens,
  type Obtained,
  readKept,
  reasonOf,
  refresh,
  safely,
  writeKept,
} from './token-requests.ts';

export interface AccountsDeps extends Pick<ForeignClientsDeps, 'db' | 'vault' | 'sealer'> {
  readonly clients: Pick<ForeignClients, 'find' | 'forget' | 'choose'>;
  readonly servers: Pick<ForeignServers, 'metadataOf'>;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
  readonly pagesAt: LinkDeps['pagesAt'];
  /** undefined: the gateway speaks for nobody. */
  readonly mint?: ExchangesDeps['mint'];
  readonly issuer?: string;
  readonly pause: (ms: number) => Promise<void>;
  /** Counts what became of a renewal. */
  readonly observe?: (outcome: 'renewed' | 'delayed' | 'failed') => void;
  readonly record?: RecordAccount;
}

export interface Accounts extends UpstreamAccounts {
  /** As a call of the person would, well before it is needed. Never rejects. */
  renewIdle(account: ConnectedAccount, auth: ServerAuth | undefined): Promise<void>;
  close(): void;
}

interface Held {
  readonly account: ConnectedAccount;
  readonly tokens: KeptTokens;
}

interface Wanted {
  readonly place: AccountPlace;
  readonly auth: ServerAuth | undefined;
  /** Key of the server, where it is known. */
  readonly server?: string | undefined;
  /** Throws it, or a description of it where nobody asks. */
  readonly refuse: (reason: AccountNeeded['reason']) => Error;
}

const HELD_MS = 60_000;
const LEAD_MS = 300_000;
/** A token that is as new as this and refused all the same won't get better. */
const NEW_MS = 30_000;
const WAIT_MS = 150;
const MAX_WAITS = 100;
const LINK_WAITS = 40;
const LINK_WAIT_MS = 500;

/** 5 minutes before its end, or a fifth of its life if that is less. */
export function dueAt({ expiresAt, issuedAt, refreshable }: ConnectedAccount): number {
  if (expiresAt === undefined) return Number.POSITIVE_INFINITY;
  return refreshable ? expiresAt - Math.min(LEAD_MS, Math.max(0, expiresAt - issuedAt) / 5) : expiresAt;
}

export function openAccounts(deps: AccountsDeps): Accounts {
  const { db, clock, log, observe = () => undefined, record = async () => undefined } = deps;
  const perf = { now: () => clock.monotonic() };
  const held = new LRUCache<string, Held>({ max: 20_000, ttl: HELD_MS, ttlResolution: 0, perf });
  const flights = new Map<string, Promise<Held>>();
  const links = { pagesAt: deps.pagesAt, sealer: deps.sealer, now: () => clock.now() };
  /** Grows with every change: what was read before it is not kept. */
  let changes = 0;
  const unsubscribe = deps.feed.subscribe((change) => {
    if (change.kind !== 'user' && change.kind !== 'everything') return;
    changes++;
    if (change.kind === 'everything') return held.clear();
    for (const [key, { account }] of held.entries()) if (account.user === change.id) held.delete(key);
  });

  async function openKept(account: ConnectedAccount): Promise<Held> {
    return { account, tokens: readKept(await deps.vault.open(account.org, accountPlace(account.id), account.sealed)) };
  }

  /** Throws what the person is told. */
  function checked(account: ConnectedAccount | undefined, { auth, refuse }: Wanted): ConnectedAccount {
    const issuer = auth?.kind === 'connected' ? issuerOf(auth) : undefined;
    // The server trusts another authorization server by now: what the old one issued is not for it.
    if (!account || (issuer !== undefined && issuer !== account.issuer)) throw refuse('missing');
    if (account.state === 'failed') throw refuse('failed');
    return account;
  }

  async function load(wanted: Wanted): Promise<Held> {
    const account = checked(await findConnectedAccount(db, wanted.place), wanted);
    if (clock.now() < dueAt(account)) return openKept(account);
    if (account.refreshable) return renewed(account, wanted, false);
    await failAccount(db, account, 'expired');
    await record({ ...eventOf(account, wanted), ...failed, reason: 'expired' });
    throw wanted.refuse('failed');
  }

  /** `isRefused`: what there is, is no good. */
  async function renewed(old: ConnectedAccount, wanted: Wanted, isRefused: boolean): Promise<Held> {
    let account = old;
    for (let waits = 0; waits < MAX_WAITS; waits++) {
      if (account.version > old.version) return openKept(account);
      const isWaiting = account.retryAt !== undefined && account.retryAt > clock.now();
      if (isWaiting) return asItIs(account, isRefused);
      const lease = await takeLease(db, account);
      if (lease !== undefined) {
        const fresh = await renewBy(lease, await openKept(account), wanted);
        return fresh ?? asItIs(account, isRefused);
      }
      await deps.pause(WAIT_MS);
      account = checked(await findConnectedAccount(db, wanted.place), wanted);
    }
    return asItIs(account, isRefused);
  }

  /** Its authorization server is away: what there is may do for now. */
  function asItIs(account: ConnectedAccount, isRefused: boolean): Promise<Held> {
    const isGood = !isRefused && (account.expiresAt ?? Number.POSITIVE_INFINITY) > clock.now();
    if (isGood) return openKept(account);
    const seconds = Math.ceil(((account.retryAt ?? clock.now()) - clock.now()) / 1000);
    throw new GatehouseError('credential_unavailable', { retryAfterSeconds: Math.max(1, seconds) });
  }

  /** undefined: not now. Throws where it is over for good. */
  async function renewBy(lease: string, { account, tokens }: Held, wanted: Wanted): Promise<Held | undefined> {
    const leased = { org: account.org, id: account.id, lease };
    const about = { org: account.org, user: account.user, server: account.server, issuer: account.issuer };
    let obtained: Obtained;
    try {
      const metadata = await deps.servers.metadataOf(account.issuer, presetOf(wanted.auth));
      const configuration = await deps.clients.find(account.org, wanted.auth, { metadata, clientId: account.clientId });
      obtained = await refresh(configuration, { tokens, scopes: account.scopes }, () => clock.now());
    } catch (thrown) {
      const reason = reasonOf(thrown);
      if (!isFinal(thrown)) {
        const failures = account.failures + 1;
        await saveDelayed(db, leased, clock.now() + Math.min(300_000, 2000 * 2 ** Math.min(failures, 10)), failures);
        log.warn(
          { event: 'account_not_renewed', ...about, err: safely(thrown) },
          'accounts: a token could not be renewed now',
        );
        observe('delayed');
        return undefined;
      }
      await saveFailed(db, leased, reason);
      if (reason === 'invalid_client') await deps.clients.forget(account.org, account.issuer);
      log.warn({ event: 'account_failed', ...about, reason }, 'accounts: a token is not renewed any more');
      observe('failed');
      await record({ ...eventOf(account, wanted), ...failed, reason });
      throw wanted.refuse('failed');
    }
    const sealed = await deps.vault.seal(account.org, accountPlace(account.id), writeKept(obtained.tokens));
    await saveSurely(leased, { ...obtained, sealed });
    observe('renewed');
    log.info({ event: 'account_renewed', ...about }, 'accounts: a token was renewed');
    await record({ ...eventOf(account, wanted), action: 'account.renewed' });
    return {
      tokens: obtained.tokens,
      account: { ...account, ...obtained, sealed, version: account.version + 1, retryAt: undefined, failures: 0 },
    };
  }

  /** What renews the next time is in there and nowhere else. */
  async function saveSurely(leased: Parameters<typeof saveRenewed>[1], tokens: Parameters<typeof saveRenewed>[2]) {
    for (let tries = 1; ; tries++) {
      try {
        const isSaved = await saveRenewed(db, leased, tokens);
        if (!isSaved) log.error({ account: leased.id }, 'accounts: a token was renewed by two at once, or is gone');
        return;
      } catch (thrown) {
        if (tries === 5) throw thrown;
        await deps.pause(tries * 500);
      }
    }
  }

  function keep(key: string, fresh: Held): Held {
    const ttl = Math.min(HELD_MS, dueAt(fresh.account) - clock.now());
    if (ttl > 0) held.set(key, fresh, { ttl });
    return fresh;
  }

  /** One at a time here; the row decides between replicas. */
  function flight(key: string, work: () => Promise<Held>): Promise<Held> {
    const running = flights.get(key);
    if (running) return running;
    const before = changes;
    const started = work()
      .then((fresh) => (before === changes ? keep(key, fresh) : fresh))
      .finally(() => flights.delete(key));
    flights.set(key, started);
    return started;
  }

  function wantedBy(holder: AccountHolder): Wanted {
    const { organization, userId, server } = holder;
    const refuse = (reason: AccountNeeded['reason']) => accountRequired(holder, reason, links);
    if (userId === undefined) throw refuse('nobody');
    return {
      place: { org: organization.id, user: userId, server: server.id },
      auth: server.auth,
      server: server.key,
      refuse,
    };
  }

  const exchanges = openExchanges({
    ...deps,
    ...{ mint: deps.mint, issuer: deps.issuer ?? '' },
    refuse: (holder, reason) => accountRequired(holder, reason, links),
  });

  async function open(holder: AccountHolder): Promise<AccountToken> {
    const { auth } = holder.server;
    if (auth?.kind === 'exchange') return exchanges.open(holder, auth);
    const wanted = wantedBy(holder);
    const key = keyOf(wanted);
    return asToken(held.get(key) ?? (await flight(key, () => load(wanted))));
  }

  return {
    open,
    async renew(holder, refused) {
      const { auth } = holder.server;
      if (auth?.kind === 'exchange') return exchanges.renew(holder, auth, refused);
      const wanted = wantedBy(holder);
      const key = keyOf(wanted);
      held.delete(key);
      const fresh = await flight(`${key} renew`, async () => {
        const account = checked(await findConnectedAccount(db, wanted.place), wanted);
        if (account.id !== refused.ref.id || account.version > refused.ref.version) return openKept(account);
        const isNew = clock.now() - account.issuedAt < NEW_MS;
        if (account.refreshable && !isNew) return renewed(account, wanted, true);
        await failAccount(db, account, 'refused');
        log.warn(
          { event: 'account_failed', server: holder.server.key, reason: 'refused' },
          'accounts: a token was refused',
        );
        observe('failed');
        await record({ ...eventOf(account, wanted), ...failed, reason: 'refused' });
        throw wanted.refuse('failed');
      });
      return asToken(fresh);
    },
    async stepUp(holder, scopes) {
      if (holder.server.auth?.kind !== 'connected') return undefined;
      const wanted = wantedBy(holder);
      const account = await findConnectedAccount(db, wanted.place);
      if (!account || scopes.every((scope) => account.scopes.includes(scope))) return undefined;
      await saveMissingScopes(db, account, [...new Set([...account.missingScopes, ...scopes])]);
      return wanted.refuse('scopes');
    },
    async awaitLinked(holder, signal) {
      for (let waits = 0; waits < LINK_WAITS && !signal.aborted; waits++) {
        const isLinked = await open(holder).then(
          () => true,
          (thrown) => {
            if (thrown instanceof GatehouseError && thrown.code === 'account_required') return false;
            throw thrown;
          },
        );
        if (isLinked) return true;
        await deps.pause(LINK_WAIT_MS);
      }
      return false;
    },
    async renewIdle(account, auth) {
      const refuse = () => new GatehouseError('account_required');
      const wanted = { place: account, auth, refuse };
      await flight(keyOf(wanted), () => renewed(account, wanted, false)).catch((error) =>
        log.debug({ err: error }, 'accounts: an idle one was not renewed'),
      );
    },
    close: unsubscribe,
  };
}

const failed = { action: 'account.failed', refused: 'credential_unavailable' } as const;

const eventOf = ({ org, user, issuer, id }: ConnectedAccount, { server }: Wanted) => ({
  ...{ org, whose: { id: user }, server, issuer, account: id },
});

const presetOf = (auth: ServerAuth | undefined) => (auth?.kind === 'connected' ? auth.preset : undefined);

/** Ids are UUIDs: joined, they stay apart. The issuer that is expected belongs to it. */
function keyOf({ place: { org, user, server }, auth }: Wanted): string {
  return `${org} ${user} ${server} ${(auth?.kind === 'connected' && issuerOf(auth)) || ''}`;
}

function asToken({ account, tokens }: Held): AccountToken {
  return {
    ref: {
      id: asCredentialId(account.id),
      org: account.org,
      version: account.version,
      header: { name: 'authorization', template: 'Bearer {}' },
    },
    secret: new Secret(tokens.access),
  };
}
