/** Another gateway's PostgreSQL, by URL: one transaction that can only read, and sees everything as of one moment. */
import pg from 'pg';
import type { Row, SourceDatabase } from '#admin/imports/systems/source.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';

export interface ForeignDatabase extends SourceDatabase {
  close(): Promise<void>;
}

const MAX_ROWS = 500_000;
const PAGE = 1000;

/** Throws GatehouseError `upstream_unreachable`; the URL is in no message, for it has a password. */
export async function openForeignDatabase(url: Secret): Promise<ForeignDatabase> {
  const client = new pg.Client({
    connectionString: url.reveal(),
    connectionTimeoutMillis: 10_000,
    statement_timeout: 60_000,
  });
  client.on('error', () => undefined);
  const ask = async (text: string, values: readonly unknown[] = []): Promise<readonly Row[]> => {
    try {
      return (await client.query(text, [...values])).rows;
    } catch (cause) {
      throw refused(cause);
    }
  };
  try {
    await client.connect();
  } catch (cause) {
    throw refused(cause);
  }
  await ask('begin transaction isolation level repeatable read read only');
  const nameOf = (schema: string, table: string) => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(table)}`;
  const count = async (schema: string, table: string) => {
    const [row] = await ask(`select count(*)::integer as n from ${nameOf(schema, table)}`);
    return Number(row?.n ?? 0);
  };
  return {
    count,
    async tables(schema) {
      const rows = await ask(
        `select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname = $1 and c.relkind in ('r', 'p')`,
        [schema],
      );
      return new Set(rows.map(({ name }) => String(name)));
    },
    async rows(schema, table) {
      if ((await count(schema, table)) > MAX_ROWS)
        throw new GatehouseError('bad_request', { message: `${schema}.${table} has more than ${MAX_ROWS} rows` });
      return ask(`select * from ${nameOf(schema, table)}`);
    },
    async *pages(schema, table, by) {
      const column = pg.escapeIdentifier(by);
      for (let last: unknown; ; ) {
        const rows = await ask(
          `select t.*, ${column}::text as page_place from ${nameOf(schema, table)} t
           where $1::bigint is null or ${column} > $1::bigint order by ${column} limit ${PAGE}`,
          [last ?? null],
        );
        if (rows.length > 0) yield rows;
        if (rows.length < PAGE) return;
        last = rows.at(-1)?.page_place;
      }
    },
    async close() {
      await client.end().catch(() => undefined);
    },
  };
}

function refused(cause: unknown): GatehouseError {
  const code = typeof cause === 'object' && cause !== null && 'code' in cause ? ` (${String(cause.code)})` : '';
  return new GatehouseError('upstream_unreachable', {
    message: `The other gateway's database cannot be read${code}: check its address, user and password`,
    cause,
  });
}
