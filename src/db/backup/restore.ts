/** Puts a backup into a database, in one transaction: all of it is there afterwards, or nothing has changed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type Dialect, Kysely, sql, type Transaction } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { appliedMigrations, fingerprintOf, finishSchema, migrationNames, remakeSchema } from '#db/migrate.ts';
import { type Catalogue, checkOwner, listFilled, readCatalogue, type Table } from './catalogue.ts';
import { type Contents, type Head, readBackup, type Section } from './format.ts';
import { spellExactly } from './take.ts';

export interface RestoreOptions {
  readonly path: string;
  /** What is in the database is removed first; otherwise it must be unused. */
  readonly replace: boolean;
  readonly onProgress?: (rows: number, table: string) => void;
}

/** Reads all of it, and whether this version knows its schema. Throws `bad_request`. */
export async function checkBackup(path: string): Promise<Contents> {
  const contents = await readBackup(path);
  checkSchema(contents.head);
  return contents;
}

function checkSchema({ version, schema }: Head): void {
  if (fingerprintOf(schema.migrations) === schema.fingerprint) return;
  const isNewer = schema.migrations.some((name) => !migrationNames.includes(name));
  throw new GatehouseError('bad_request', {
    message: isNewer
      ? `The backup has a newer schema than this version of the gateway: restore it with version ${version}`
      : `The schema of the backup is not one of this gateway's (it was made by version ${version})`,
  });
}

/** Whether `restoreBackup` would begin. Throws `setting`, `conflict` (it is in use, a gateway runs on it). */
export async function checkTarget(dialect: Dialect, { replace }: Pick<RestoreOptions, 'replace'>): Promise<void> {
  const db = new Kysely<unknown>({ dialect });
  await refuseRunning(db);
  await db.transaction().execute(async (tx) => {
    await refuseUsed(tx, await readCatalogue(tx), replace);
  });
}

const tries = 10;
const waitMs = 100;

/** A gateway goes on with what it has in memory, and with its chain of the trail: over another database both are wrong. */
async function refuseRunning(db: Kysely<unknown>): Promise<void> {
  for (let left = tries; ; left--) {
    const { rows } = await sql<{ connections: string }>`
      select count(*)::text as connections from pg_stat_activity
      where datname = current_database() and application_name = 'gatehouse' and pid <> pg_backend_pid()`.execute(db);
    const connections = Number(rows[0]?.connections ?? 0);
    if (connections === 0) return;
    // One that has just ended may still be listed.
    if (left === 0)
      throw new GatehouseError('conflict', {
        message: `A gateway runs on this database (${connections} connections): stop every replica first`,
      });
    await sleep(waitMs);
  }
}

async function refuseUsed(tx: Transaction<unknown>, { tables }: Catalogue, replace: boolean): Promise<void> {
  await checkOwner(tx);
  if (fingerprintOf(await appliedMigrations(tx)) === undefined)
    throw new GatehouseError('setting', {
      message: 'The schema of the database is newer than this version of the gateway: restore with that one',
    });
  if (replace) return;
  const filled = await listFilled(tx, tables);
  if (filled.length === 0) return;
  const named = filled.slice(0, 5).join(', ') + (filled.length > 5 ? ` and ${filled.length - 5} more` : '');
  throw new GatehouseError('conflict', {
    message: `The database is in use (there are rows in ${named}): restore into an empty one, or --replace what is there`,
  });
}

/** `dialect`: the owner's, of a database that is migrated. Check the backup first. Throws as both checks do. */
export async function restoreBackup(dialect: Dialect, options: RestoreOptions): Promise<Contents> {
  const db = new Kysely<unknown>({ dialect });
  await refuseRunning(db);
  return db.transaction().execute(async (tx) => {
    await refuseUsed(tx, await readCatalogue(tx), options.replace);
    await spellExactly(tx);
    const before = await countChanges(tx);
    const loading = new Loading(tx, options);
    const contents = await readBackup(options.path, loading);
    await loading.finish(contents.tail.sequences);
    if (contents.head.schema.migrations.length < migrationNames.length) await finishSchema(tx);
    // Whoever listens hears of it, and never of a lower count than before.
    await sql`update gateway.change_counter set value = greatest(value, ${before}::bigint)`.execute(tx);
    await sql`select gateway.announce('everything', null)`.execute(tx);
    return contents;
  });
}

async function countChanges(tx: Transaction<unknown>): Promise<string> {
  const { rows } = await sql<{ value: string }>`select value::text as value from gateway.change_counter`.execute(tx);
  return rows[0]?.value ?? '0';
}

class Loading {
  readonly #tx: Transaction<unknown>;
  readonly #options: RestoreOptions;
  #catalogue: Catalogue = { tables: [], circular: [] };
  #table: Table | undefined;
  #rows = 0;

  constructor(tx: Transaction<unknown>, options: RestoreOptions) {
    this.#tx = tx;
    this.#options = options;
  }

  /** The schema as it was when the backup was made; what brings it up to date runs over the rows, as it does in an upgrade. */
  async head(head: Head): Promise<void> {
    const tx = this.#tx;
    checkSchema(head);
    if (head.schema.migrations.length < migrationNames.length) await remakeSchema(tx, head.schema.migrations);
    this.#catalogue = await readCatalogue(tx);
    const { tables, circular } = this.#catalogue;
    await sql`truncate ${sql.join(tables.map(({ name }) => idOf(name)))}`.execute(tx);
    // What they would do was done when the rows were first written.
    for (const { name } of tables) await sql`alter table ${idOf(name)} disable trigger user`.execute(tx);
    for (const { table, constraint } of circular)
      await sql`alter table ${idOf(table)} alter constraint ${sql.id(constraint)} deferrable initially deferred`.execute(
        tx,
      );
  }

  table({ table: name, columns }: Section): void {
    const found = this.#catalogue.tables.find((table) => table.name === name);
    const own = found?.columns.filter((column) => columns.includes(column.name)) ?? [];
    if (!found || own.length !== columns.length || own.length !== found.columns.length)
      throw new GatehouseError('bad_request', { message: `The backup's table ${name} is not as this gateway's is` });
    this.#table = { name, columns: columns.flatMap((column) => own.filter((one) => one.name === column)) };
  }

  async rows(lines: readonly string[]): Promise<void> {
    if (!this.#table) return;
    const { name, columns } = this.#table;
    const values = columns.map(({ type }, at) => sql`(r ->> ${sql.lit(at)})::${sql.raw(type)}`);
    await sql`insert into ${idOf(name)} (${sql.join(columns.map((column) => sql.id(column.name)))})
      overriding system value
      select ${sql.join(values)} from jsonb_array_elements(${`[${lines.join(',')}]`}::jsonb) r`.execute(this.#tx);
    this.#rows += lines.length;
    this.#options.onProgress?.(this.#rows, name);
  }

  async finish(sequences: Contents['tail']['sequences']): Promise<void> {
    const tx = this.#tx;
    const { tables, circular } = this.#catalogue;
    await sql`set constraints all immediate`.execute(tx);
    for (const { table, constraint } of circular)
      await sql`alter table ${idOf(table)} alter constraint ${sql.id(constraint)} not deferrable`.execute(tx);
    for (const { name } of tables) await sql`alter table ${idOf(name)} enable trigger user`.execute(tx);
    for (const { name, value, isCalled } of sequences)
      await sql`select setval(${`gateway."${name.replaceAll('"', '""')}"`}::regclass, ${value}::bigint, ${isCalled})`.execute(
        tx,
      );
    await sql`set constraints all deferred`.execute(tx);
  }
}

const idOf = (table: string) => sql.id('gateway', table);
