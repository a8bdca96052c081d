/**
 * The change feed over notifications: what triggers announce (migration 0003) reaches every subscriber. Each carries the
 * number of its change; a poll compares that with the counter in the database, so a lost one is noticed within seconds.
 */
import { sql } from 'kysely';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Change, ChangeFeed } from './change-feed.ts';
import { asStorageError } from './errors.ts';
import type { Db } from './schema.ts';

export interface Notifications {
  /**
   * `onPayload` for every notification of the channel, in commit order; `onResumed` after the connection was lost and
   * listens again: what was sent in between is gone. Returns when listening. The returned function ends it.
   */
  listen(channel: string, onPayload: (payload: string) => void, onResumed: () => void): Promise<() => Promise<void>>;
}

/** Runs `work` every `ms` milliseconds without keeping the process alive; returns what stops it. */
export type Every = (ms: number, work: () => void) => () => void;

export const systemEvery: Every = (ms, work) => {
  const timer = setInterval(work, ms).unref();
  return () => clearInterval(timer);
};

export interface ChangeFeedDeps {
  readonly db: Db;
  readonly notifications: Notifications;
  readonly log: Log;
  readonly every?: Every;
  /** Milliseconds between two looks at the counter; 5 s unless told. */
  readonly pollMs?: number;
}

export interface OpenChangeFeed extends ChangeFeed {
  /** One look at the counter, as the poll does it. */
  poll(): Promise<void>;
  close(): Promise<void>;
}

const announcement = z.object({
  kind: z.enum([
    'organization',
    'key',
    'user',
    'identity',
    'token',
    'signing-key',
    'session',
    'session-state',
    'cancelled',
    'everything',
  ]),
  id: z.string().default(''),
  expiresAt: z.number().default(0),
  /** Without a row behind it nothing was counted. */
  count: z.number().default(0),
});

const channel = 'gatehouse';

/**
 * Tells every replica, this one too, what no row says: within milliseconds, and not again to who was away just then.
 * `id`: at most 512 characters, and no secret, for whoever reads the database hears it. Throws `storage_unavailable`.
 */
export async function announce(db: Db, { kind, id }: Extract<Change, { kind: 'cancelled' }>): Promise<void> {
  if (id.length > 512) throw new GatehouseError('internal', { cause: new Error('too long for a notification') });
  try {
    await sql`select pg_notify(${channel}, ${JSON.stringify({ kind, id })})`.execute(db);
  } catch (error) {
    throw asStorageError(error);
  }
}

export async function openChangeFeed(deps: ChangeFeedDeps): Promise<OpenChangeFeed> {
  const { db, log, every = systemEvery, pollMs = 5_000 } = deps;
  const listeners = new Set<(change: Change) => void>();
  let heard = 0;
  /** What the last poll found in the database: unheard by the next poll, it is lost. */
  let expected = 0;

  const emit = (change: Change) => {
    for (const listener of listeners) {
      try {
        listener(change);
      } catch (error) {
        log.error({ err: error }, 'a subscriber of the change feed failed');
      }
    }
  };
  const onPayload = (payload: string) => {
    const parsed = announcement.safeParse(parseJson(payload));
    if (!parsed.success) return emit({ kind: 'everything' });
    heard = Math.max(heard, parsed.data.count);
    emit(asChange(parsed.data));
  };
  const poll = async () => {
    try {
      const counted = await readCounter(db);
      const missed = heard < expected;
      expected = counted;
      if (!missed) return;
      heard = Math.max(heard, counted);
      log.warn({ heard, counted }, 'a change was not announced: all caches are renewed');
      emit({ kind: 'everything' });
    } catch (error) {
      log.debug({ err: error }, 'the change counter cannot be read');
    }
  };

  const stopListening = await deps.notifications.listen(channel, onPayload, () => emit({ kind: 'everything' }));
  heard = expected = await readCounter(db);
  const stopPolling = every(pollMs, () => void poll());
  return {
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    poll,
    async close() {
      stopPolling();
      listeners.clear();
      await stopListening();
    },
  };
}

function asChange({ kind, id, expiresAt }: z.output<typeof announcement>): Change {
  if (kind === 'everything') return { kind };
  return kind === 'session' ? { kind, id, expiresAt } : { kind, id };
}

async function readCounter(db: Db): Promise<number> {
  const row = await db.selectFrom('change_counter').select('value').executeTakeFirstOrThrow();
  return Number(row.value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
