/** A stranger's database, read only: real tables by name, never views (ours stand under some of their names). */
export type Row = Readonly<Record<string, unknown>>;

export interface SourceDatabase {
  /** Names of real tables in a schema. */
  tables(schema: string): Promise<ReadonlySet<string>>;
  /** All of a table. Throws `bad_request` for one that is larger than what can be meant. */
  rows(schema: string, table: string): Promise<readonly Row[]>;
  count(schema: string, table: string): Promise<number>;
  /** By a whole-numbered column that counts up. */
  pages(schema: string, table: string, by: string): AsyncIterable<readonly Row[]>;
}

/** The first of these tables that is there. What our migrations took over stands beside the views with a suffix. */
export function findTable(tables: ReadonlySet<string>, ...names: readonly string[]): string | undefined {
  return names.flatMap((name) => [`${name}_absorbed`, name]).find((name) => tables.has(name));
}
