/** What the schema consists of, as PostgreSQL's own catalogue has it: no list that somebody could forget to extend. */
import { type Kysely, sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';

export interface Column {
  readonly name: string;
  /** As SQL spells it. */
  readonly type: string;
}

export interface Table {
  readonly name: string;
  /** Those that can be written: what is computed of others is computed again. */
  readonly columns: readonly Column[];
}

/** Counts up for a column: identity or `nextval`. */
export interface Sequence {
  readonly name: string;
  /** The next number, or the one before it (`isCalled`). */
  readonly value: string;
  readonly isCalled: boolean;
}

export interface Catalogue {
  /** A table after those it refers to. */
  readonly tables: readonly Table[];
  /** References to a later table, or to the same one: to be checked at the end. */
  readonly circular: readonly { readonly table: string; readonly constraint: string }[];
}

/** What the migrator keeps for itself: said in a backup's head. */
const ofMigrator = ['migration', 'migration_lock'];

export async function readCatalogue(db: Kysely<unknown>): Promise<Catalogue> {
  const { rows: columns } = await sql<{ table: string; name: string; type: string }>`
    select c.relname as table, a.attname as name, format_type(a.atttypid, a.atttypmod) as type
    from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    where c.relnamespace = 'gateway'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and a.attgenerated = ''
    order by c.relname, a.attnum`.execute(db);
  const { rows: references } = await sql<Reference>`
    select f.relname as table, t.relname as target, x.conname as constraint
    from pg_constraint x join pg_class f on f.oid = x.conrelid join pg_class t on t.oid = x.confrelid
    where x.contype = 'f' and x.connamespace = 'gateway'::regnamespace order by 1, 3`.execute(db);
  const named = Map.groupBy(
    columns.filter(({ table }) => !ofMigrator.includes(table)),
    ({ table }) => table,
  );
  const order = inOrder([...named.keys()], references);
  return {
    tables: order.map((name) => ({
      name,
      columns: (named.get(name) ?? []).map((column) => ({ name: column.name, type: column.type })),
    })),
    circular: references.filter(({ table, target }) => order.indexOf(target) >= order.indexOf(table)),
  };
}

interface Reference {
  readonly table: string;
  readonly target: string;
  readonly constraint: string;
}

/** Of those in a circle, the first by name comes first. */
export function inOrder(tables: readonly string[], references: readonly Reference[]): readonly string[] {
  const waiting = new Set(tables);
  const isFree = (name: string) =>
    references.every(({ table, target }) => table !== name || target === name || !waiting.has(target));
  const order: string[] = [];
  while (waiting.size > 0) {
    const free = [...waiting].filter(isFree);
    const next = free.length > 0 ? free : [...waiting].slice(0, 1);
    for (const name of next) waiting.delete(name);
    order.push(...next);
  }
  return order;
}

export async function readSequences(db: Kysely<unknown>): Promise<readonly Sequence[]> {
  const { rows: names } = await sql<{ name: string }>`
    select c.relname as name from pg_class c
    where c.relnamespace = 'gateway'::regnamespace and c.relkind = 'S' order by 1`.execute(db);
  const found: Sequence[] = [];
  for (const { name } of names) {
    const { rows } = await sql<{ value: string; isCalled: boolean }>`
      select last_value::text as value, is_called as "isCalled" from ${sql.id('gateway', name)}`.execute(db);
    found.push(...rows.map((row) => ({ name, ...row })));
  }
  return found;
}

/** Throws `setting`: whoever may not see every row would make a backup that looks whole. */
export async function checkOwner(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ who: string }>`
    select current_user as who from pg_class c
    where c.relnamespace = 'gateway'::regnamespace and c.relkind in ('r', 'p') and not pg_has_role(c.relowner, 'USAGE')
    limit 1`.execute(db);
  const [stranger] = rows;
  if (!stranger) return;
  throw new GatehouseError('setting', {
    message: `The user ${stranger.who} of DATABASE_URL does not own the tables of the gateway: use the one that migrates them`,
  });
}

/** Tables of `tables` that hold a row. The counter of changes has one from the start. */
export async function listFilled(db: Kysely<unknown>, tables: readonly Table[]): Promise<readonly string[]> {
  const filled: string[] = [];
  for (const { name } of tables) {
    if (name === 'change_counter') continue;
    const { rows } = await sql<{ is: boolean }>`select exists (select from ${sql.id('gateway', name)}) as is`.execute(
      db,
    );
    if (rows[0]?.is) filled.push(name);
  }
  return filled;
}
