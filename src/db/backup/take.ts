/** Takes a backup: every row of every table as of one moment, while the gateway goes on. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { type Dialect, Kysely, sql, type Transaction } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { appliedMigrations, fingerprintOf } from '#db/migrate.ts';
import { checkOwner, readCatalogue, readSequences, type Table } from './catalogue.ts';
import type { Head, Section, Tail } from './format.ts';

export interface TakeOptions {
  /** Must not be there yet. Readable by its owner alone. */
  readonly path: string;
  /** Of the product. */
  readonly version: string;
  /** Unix milliseconds. */
  readonly now: number;
  readonly onProgress?: (rows: number, table: string) => void;
}

export interface Taken {
  readonly rows: number;
  /** With a row or without. */
  readonly tables: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** `dialect`: the owner's. Throws `setting`, `conflict` (the file is there), `storage_unavailable`. A whole file, or none. */
export async function takeBackup(dialect: Dialect, options: TakeOptions): Promise<Taken> {
  const { path } = options;
  if (await stat(path).catch(() => undefined))
    throw new GatehouseError('conflict', { message: `${path} is there already: name another file` });
  const partial = `${path}.${process.pid}.partial`;
  const db = new Kysely<unknown>({ dialect });
  const lines = new Lines();
  try {
    const taken = await db
      .transaction()
      .setIsolationLevel('repeatable read')
      .setAccessMode('read only')
      .execute(async (tx) => {
        const text = Readable.from(backupLines(tx, options, lines));
        await pipeline(text, createGzip(), createWriteStream(partial, { flags: 'wx', mode: 0o600 }));
        return lines.counted();
      });
    await sync(partial);
    await rename(partial, path);
    return { ...taken, bytes: (await stat(path)).size };
  } finally {
    await rm(partial, { force: true });
  }
}

async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  await file.sync().finally(() => file.close());
}

/** Lines as they are written, with what the tail says of them. */
class Lines {
  readonly #hash = createHash('sha256');
  readonly #tables: Record<string, number> = {};
  #sha256 = '';

  line(value: Head | Section): string {
    return this.#kept(`${JSON.stringify(value)}\n`);
  }

  rows(table: string, rows: readonly string[]): string {
    this.#tables[table] = (this.#tables[table] ?? 0) + rows.length;
    return rows.length === 0 ? '' : this.#kept(`${rows.join('\n')}\n`);
  }

  tail(sequences: Tail['sequences']): string {
    this.#sha256 = this.#hash.digest('hex');
    const { rows } = this.counted();
    const tail: Tail = { rows, tables: this.#tables, sequences, sha256: this.#sha256 };
    return `${JSON.stringify(tail)}\n`;
  }

  counted() {
    const counts = Object.values(this.#tables);
    return { rows: counts.reduce((sum, one) => sum + one, 0), tables: counts.length, sha256: this.#sha256 };
  }

  #kept(text: string): string {
    this.#hash.update(text);
    return text;
  }
}

async function* backupLines(tx: Transaction<unknown>, options: TakeOptions, lines: Lines): AsyncGenerator<string> {
  await checkOwner(tx);
  const migrations = await appliedMigrations(tx);
  const fingerprint = fingerprintOf(migrations);
  if (fingerprint === undefined)
    throw new GatehouseError('setting', {
      message: 'The schema of the database is of a newer version of the gateway: take the backup with that one',
    });
  await spellExactly(tx);
  const catalogue = await readCatalogue(tx);
  const schema = { fingerprint, migrations: [...migrations] };
  const madeAt = new Date(options.now).toISOString();
  yield lines.line({ gatehouse: 'backup', format: 1, version: options.version, madeAt, schema });
  let done = 0;
  for (const table of catalogue.tables) {
    yield lines.line({ table: table.name, columns: table.columns.map(({ name }) => name) });
    yield lines.rows(table.name, []);
    for await (const rows of rowsOf(tx, table)) {
      yield lines.rows(table.name, rows);
      done += rows.length;
      options.onProgress?.(done, table.name);
    }
  }
  yield lines.tail([...(await readSequences(tx))]);
}

/** The same texts everywhere, whatever a server or a role is set to. */
export async function spellExactly(tx: Transaction<unknown>): Promise<void> {
  const settings = { timezone: 'UTC', datestyle: 'ISO', intervalstyle: 'iso_8601', bytea_output: 'hex' };
  for (const [name, value] of Object.entries({ ...settings, extra_float_digits: '1', xmlbinary: 'base64' }))
    await sql`select set_config(${name}, ${value}, true)`.execute(tx);
}

const firstRows = 16;
const mostRows = 1000;
const fetchBytes = 2 << 20;

/** As many at once as fit into a few megabytes, by the largest so far. */
async function* rowsOf(tx: Transaction<unknown>, { name, columns }: Table): AsyncGenerator<readonly string[]> {
  const texts = columns.map((column) => sql`${sql.id(column.name)}::text`);
  await sql`declare backup no scroll cursor for
    select to_json(array[${sql.join(texts)}])::text as row from ${sql.id('gateway', name)}`.execute(tx);
  for (let largest = 0; ; ) {
    const count = largest === 0 ? firstRows : Math.max(1, Math.min(mostRows, Math.floor(fetchBytes / largest)));
    const { rows } = await sql<{ row: string }>`fetch ${sql.lit(count)} from backup`.execute(tx);
    if (rows.length > 0) yield rows.map(({ row }) => row);
    if (rows.length < count) break;
    largest = Math.max(largest, ...rows.map(({ row }) => row.length));
  }
  await sql`close backup`.execute(tx);
}
