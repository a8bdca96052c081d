/**
 * PostgreSQL by URL. Every wait has an end: without these figures a blackholed connection or a stalled query of `pg`
 * hangs for ever. A broken connection costs the query that was on it; the pool replaces it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresDialect } from 'kysely';
import pg from 'pg';
import { z } from 'zod';
import { applicationRole, type Database, type DatabaseDeps, isConnectionLost } from '#adapters/database/database.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { joinBegin } from './begin.ts';
import { openListener } from './listener.ts';

const config = z.strictObject({
  url: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a URL that starts with postgresql://' }),
  /** Connections of this replica; all replicas together stay below the server's max_connections less 10. */
  poolSize: z.int().min(1).max(200).default(10),
  connectTimeoutMs: z.int().min(1).default(1_000),
  queryTimeoutMs: z.int().min(1).default(2_000),
  statementTimeoutMs: z.int().min(1).default(1_500),
  /** How long a start waits for a server that isn't there yet. */
  startPatienceMs: z.int().min(0).default(15_000),
});

type PostgresConfig = z.output<typeof config>;

export const postgres: Adapter<'postgres', typeof config, DatabaseDeps, Database> = {
  kind: 'postgres',
  title: 'PostgreSQL 15 or newer',
  config,
  open,
};

async function open(settings: PostgresConfig, deps: DatabaseDeps): Promise<Database> {
  await waitForServer(settings, deps);
  await runMigrations(settings, deps);
  const pool = openPool(settings, deps.log);
  const dialect = new PostgresDialect({ pool });
  const listeners = new Set<() => Promise<void>>();
  let closing: Promise<void> | undefined;
  return {
    kind: 'postgres',
    dialect,
    async listen(channel, onPayload, onResumed) {
      const listener = await openListener({
        client: clientConfig(settings),
        channel,
        onPayload,
        onResumed,
        log: deps.log,
      });
      listeners.add(listener.close);
      return listener.close;
    },
    close() {
      closing ??= Promise.all([...listeners].map((end) => end())).then(() => endPool(pool));
      return closing;
    },
  };
}

function clientConfig(settings: PostgresConfig): pg.ClientConfig {
  return {
    connectionString: settings.url,
    application_name: 'gatehouse',
    connectionTimeoutMillis: settings.connectTimeoutMs,
    query_timeout: settings.queryTimeoutMs,
    statement_timeout: settings.statementTimeoutMs,
    // A replica that stalls in a transaction must not hold its locks.
    idle_in_transaction_session_timeout: 10_000,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
  };
}

function openPool(settings: PostgresConfig, log: Log): pg.Pool {
  const connectionString = asApplication(settings.url);
  const pool = new pg.Pool({
    ...clientConfig(settings),
    connectionString,
    max: settings.poolSize,
    idleTimeoutMillis: 30_000,
  });
  surviveErrors(pool, log).on('connect', joinBegin);
  return pool;
}

/** The role comes with the connection itself: there is no moment, and no failed statement, that leaves it without. */
function asApplication(url: string): string {
  const changed = new URL(url);
  const given = changed.searchParams.get('options');
  changed.searchParams.set('options', `${given ? `${given} ` : ''}-c role=${applicationRole}`);
  return changed.href;
}

/**
 * A connection that breaks while idle, or between two queries of a transaction, emits `error`: without a listener on
 * both the pool and the connection that would end the process. The pool replaces it; the next query on it fails.
 */
function surviveErrors(pool: pg.Pool, log: Log): pg.Pool {
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection broke'));
  pool.on('connect', (client) => {
    client.on('error', (error) => log.debug({ err: error }, 'a database connection broke'));
    endWhenSilent(client);
  });
  return pool;
}

/** After its query timeout `pg` would put a connection that no longer answers back into the pool, for all who come. */
function endWhenSilent(client: pg.PoolClient): void {
  const query = client.query.bind(client);
  Object.assign(client, {
    query: (...given: Parameters<typeof query>) => {
      const answer: unknown = query(...given);
      if (answer instanceof Promise) {
        answer.catch((error: unknown) => {
          if (error instanceof Error && error.message === 'Query read timeout') client.connection.stream.destroy();
        });
      }
      return answer;
    },
  });
}

async function endPool(pool: pg.Pool): Promise<void> {
  if (!pool.ending) await pool.end();
}

/** One connection without timeouts, as the login role: a migration takes as long as it takes, and so does a backup. */
async function runMigrations(settings: PostgresConfig, deps: DatabaseDeps): Promise<void> {
  const { connectTimeoutMs: connectionTimeoutMillis, url: connectionString } = settings;
  const options = { connectionString, connectionTimeoutMillis, application_name: 'gatehouse migration', max: 1 };
  const pool = surviveErrors(new pg.Pool(options), deps.log);
  try {
    await deps.migrations.run(new PostgresDialect({ pool }));
    await deps.asOwner?.(new PostgresDialect({ pool }));
  } finally {
    await endPool(pool);
  }
}

/** Replicas that start together must not storm the server: they wait longer each time, each a little differently. */
async function waitForServer(settings: PostgresConfig, { clock, log }: DatabaseDeps): Promise<void> {
  const deadline = clock.monotonic() + settings.startPatienceMs;
  for (let waitMs = 100; ; waitMs = Math.min(waitMs * 2, 2_000)) {
    try {
      return await tryServer(settings);
    } catch (error) {
      if (!isNotYetThere(error)) throw startError(error);
      if (clock.monotonic() + waitMs > deadline) throw notThere(settings.url, error);
      log.warn({ err: error, waitMs }, 'the database cannot be reached yet');
      await sleep(waitMs * (0.5 + Math.random()));
    }
  }
}

async function tryServer(settings: PostgresConfig): Promise<void> {
  const client = new pg.Client(clientConfig(settings));
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
  } finally {
    await client.end().catch(() => undefined);
  }
}

function isNotYetThere(error: unknown): boolean {
  // 53300: too many clients; `timeout expired`: pg's connection timeout.
  const { code, message } = { code: '', message: '', ...(error instanceof Error ? errorParts(error) : {}) };
  return isConnectionLost(error) || code === '53300' || message === 'timeout expired';
}

/** Host and port only: the rest of the URL may be secret. */
function notThere(url: string, cause: unknown): GatehouseError {
  const { host } = new URL(url);
  const reason = cause instanceof Error && cause.message ? ` (${cause.message})` : '';
  return new GatehouseError('storage_unavailable', {
    message: `The database at ${host || 'DATABASE_URL'} cannot be reached${reason}: start it, or correct DATABASE_URL`,
    cause,
  });
}

function errorParts(error: Error): { code: string; message: string } {
  return { code: 'code' in error ? String(error.code) : '', message: error.message };
}

/** Wrong password, no such database and the like: the operator's to mend, without the URL's secret in the sentence. */
function startError(error: unknown): GatehouseError {
  const reason = error instanceof Error ? error.message : 'unknown reason';
  return new GatehouseError('setting', { message: `DATABASE_URL does not open a database: ${reason}`, cause: error });
}
