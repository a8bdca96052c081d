/**
 * The port to the relational database: PostgreSQL by URL, or PGlite in a data directory. What comes out is a Kysely
 * dialect whose queries run as the role `gatehouse_app` (row-level security holds even where no scope was opened), and
 * the notifications that writers send.
 */
import type { Dialect } from 'kysely';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Notifications } from '#db/notified-change-feed.ts';

export interface Database extends Notifications {
  readonly kind: string;
  /** For one Kysely instance; destroying that instance closes nothing that `close` doesn't close. */
  readonly dialect: Dialect;
  /** Ends connections and releases the data directory. Idempotent. */
  close(): Promise<void>;
}

/** What an adapter applies before the first query: handed in, for an adapter doesn't know the schema. */
export interface Migrations {
  /** Changes with every migration: part of the prepared seed's name. */
  readonly fingerprint: string;
  /** Applies what is missing, as the login role. Does nothing when all is applied. Throws `setting` or `storage_unavailable`. */
  run(dialect: Dialect): Promise<void>;
}

export interface DatabaseDeps {
  readonly migrations: Migrations;
  /**
   * Work of whoever owns the schema, after the migrations and before any query: no row-level security is in its way and, on
   * a server, no time limit. What it throws closes the database again.
   */
  readonly asOwner?: (dialect: Dialect) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** How the drivers say that a connection broke or never stood. */
export { isConnectionLost } from '#db/errors.ts';

/** The role that every application query runs as; migrations make it. */
export const applicationRole = 'gatehouse_app';
