/**
 * What changes in a session of a legacy client after it began: its log level and its subscriptions. The session itself is
 * sealed in its id; this is a row, kept in memory where it was asked for, and dropped there when any replica changes it.
 */
import { type Selectable, sql } from 'kysely';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Change, ChangeFeed } from '#db/change-feed.ts';
import { type Every, systemEvery } from '#db/notified-change-feed.ts';
import type { Db, SessionStatesTable } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';

export const logLevels = [
  'debug',
  'info',
  'notice',
  'warning',
  'error',
  'critical',
  'alert',
  'emergency',
] as const satisfies readonly string[];
export type LogLevel = (typeof logLevels)[number];

export interface SessionState {
  /** undefined: never set. */
  readonly logLevel: LogLevel | undefined;
  /** URIs, as the client wrote them. */
  readonly subscriptions: ReadonlySet<string>;
}

export type SessionStateChange = (
  | { readonly logLevel: LogLevel }
  | { readonly subscribe: string }
  | { readonly unsubscribe: string }
) & {
  /** Of the session, Unix milliseconds: the row lives no longer. */
  readonly expiresAt: number;
};

export interface SessionStates {
  /** What is known without asking the database; undefined: `load` it. */
  find(org: OrgId, digest: string): SessionState | undefined;
  /** Of a session in which nothing changed yet, or that ended, it is the empty one. Throws `storage_unavailable`. */
  load(org: OrgId, digest: string): Promise<SessionState>;
  /** Throws `invalid_params` beyond 1000 subscriptions or for a URI of more than 2048 characters, `storage_unavailable`. */
  update(org: OrgId, digest: string, change: SessionStateChange): Promise<SessionState>;
  /**
   * Some replica (this one too) changed or ended the session: what was known of it is outdated, and already forgotten
   * here. undefined: anything may have changed. Whoever has an open stream of it loads it again.
   */
  onChanged(listener: (digest: string | undefined) => void): () => void;
  close(): void;
}

export interface SessionStateDeps {
  readonly db: Db;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
  readonly every?: Every;
}

const MAX_SUBSCRIPTIONS = 1000;
const MAX_URI_CHARACTERS = 2048;
/** What all states in memory may take together, and how many empty ones fit. */
const MAX_BYTES = 32 * 1_048_576;
const EMPTY_BYTES = 256;
const SWEEP_MS = 600_000;

const nothing: SessionState = { logLevel: undefined, subscriptions: new Set() };

interface Known {
  readonly org: OrgId;
  readonly state: SessionState;
}

export function openSessionStates({ db, feed, clock, log, every = systemEvery }: SessionStateDeps): SessionStates {
  const known = new LRUCache<string, Known>({ maxSize: MAX_BYTES, sizeCalculation: sizeOf });
  const loading = new Map<string, { readonly org: OrgId; readonly state: Promise<SessionState> }>();
  const listeners = new Set<(digest: string | undefined) => void>();

  const hear = (change: Change) => {
    if (change.kind === 'session-state' || change.kind === 'session') {
      known.delete(change.id);
      // Whoever loads it now reads what may be older than the change: not to be kept.
      loading.delete(change.id);
      for (const listener of listeners) listener(change.id);
    } else if (change.kind === 'everything') {
      known.clear();
      loading.clear();
      for (const listener of listeners) listener(undefined);
    }
  };
  const unsubscribe = feed.subscribe(hear);
  const stopSweeping = every(SWEEP_MS, () => {
    removeExpired(db, clock.now()).catch((error: unknown) =>
      log.warn({ err: error }, 'states of expired sessions could not be removed'),
    );
  });

  return {
    find(org, digest) {
      const entry = known.get(digest);
      return entry?.org === org ? entry.state : undefined;
    },
    load(org, digest) {
      const entry = known.get(digest);
      if (entry?.org === org) return Promise.resolve(entry.state);
      const flying = loading.get(digest);
      if (flying?.org === org) return flying.state;
      const flight = { org, state: select(db, org, digest) };
      loading.set(digest, flight);
      const land = (state?: SessionState) => {
        if (loading.get(digest) !== flight) return;
        loading.delete(digest);
        if (state) known.set(digest, { org, state });
      };
      flight.state.then(land, () => land());
      return flight.state;
    },
    async update(org, digest, change) {
      const state = await upsert(db, org, { digest, change });
      known.delete(digest);
      loading.delete(digest);
      return state;
    },
    onChanged(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close() {
      stopSweeping();
      unsubscribe();
      listeners.clear();
    },
  };
}

function sizeOf({ state }: Known): number {
  let bytes = EMPTY_BYTES;
  for (const uri of state.subscriptions) bytes += 64 + 2 * uri.length;
  return bytes;
}

function select(db: Db, org: OrgId, digest: string): Promise<SessionState> {
  return withOrganization(db, org, async ({ tx }) => {
    const row = await tx.selectFrom('session_states').selectAll().where('digest', '=', digest).executeTakeFirst();
    return row ? asSessionState(row) : nothing;
  });
}

interface Update {
  readonly digest: string;
  readonly change: SessionStateChange;
}

/** In one statement: two replicas may do it at once, and neither's change is lost. */
function upsert(db: Db, org: OrgId, { digest, change }: Update): Promise<SessionState> {
  const logLevel = 'logLevel' in change ? change.logLevel : null;
  const added = 'subscribe' in change ? change.subscribe : null;
  const removed = 'unsubscribe' in change ? change.unsubscribe : null;
  const uri = added ?? removed ?? '';
  // PostgreSQL takes no NUL in text.
  if (uri.length > MAX_URI_CHARACTERS || uri.includes('\0')) refuse('Nothing that can be subscribed to');
  const without = sql`(s.subscriptions - ${uri}::text)`;
  const next = added === null ? without : sql`${without} || jsonb_build_array(${added}::text)`;
  return withOrganization(db, org, async ({ tx }) => {
    const { rows } = await sql<Selectable<SessionStatesTable>>`
      insert into gateway.session_states as s (digest, org_id, log_level, subscriptions, expires_at)
      values (${digest}, ${org}, ${logLevel}, ${JSON.stringify(added === null ? [] : [added])}::jsonb,
        ${new Date(change.expiresAt)})
      on conflict (digest, org_id) do update set
        log_level = coalesce(excluded.log_level, s.log_level),
        subscriptions = ${next},
        expires_at = greatest(s.expires_at, excluded.expires_at)
      where jsonb_array_length(${next}) <= ${MAX_SUBSCRIPTIONS}
      returning *`.execute(tx);
    const [row] = rows;
    return row ? asSessionState(row) : refuse('Too many subscriptions in one session');
  });
}

function refuse(message: string): never {
  throw new GatehouseError('invalid_params', { message });
}

async function removeExpired(db: Db, nowMs: number): Promise<void> {
  await withPlatform(db, ({ tx }) =>
    tx.deleteFrom('session_states').where('expires_at', '<=', new Date(nowMs)).execute(),
  );
}

const levels = z.enum(logLevels).nullable();
const uris = z.array(z.string());

function asSessionState(row: Selectable<SessionStatesTable>): SessionState {
  return {
    logLevel: levels.parse(row.log_level) ?? undefined,
    subscriptions: new Set(uris.parse(row.subscriptions)),
  };
}
