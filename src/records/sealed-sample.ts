/** Whether what is sealed in the database opens with the keys at hand: a few values of every kind. */
import { sql } from 'kysely';
import { asOrgId } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { rootColumns, vaultColumns } from './sealed-columns.ts';
import type { Vault } from './vault.ts';

export interface SealedSample {
  readonly tried: number;
  /** Those that did not open, by `table.column`. */
  readonly locked: Readonly<Record<string, number>>;
}

export interface SampleDeps {
  readonly db: Db;
  readonly vault: Vault;
  readonly root: Sealer;
  /** Of secrets in definitions of servers. */
  readonly servers: Sealer;
}

const perColumn = 25;

interface Field {
  readonly org: string;
  readonly id: string;
  readonly sealed: string;
}

/** Up to 25 values of each column, of as many organizations as there are. */
export async function trySealed({ db, vault, root, servers }: SampleDeps): Promise<SealedSample> {
  let tried = 0;
  const locked: Record<string, number> = {};
  const note = (name: string, opens: boolean) => {
    tried++;
    if (!opens) locked[name] = (locked[name] ?? 0) + 1;
  };
  for (const { table, column, id } of vaultColumns) {
    const fields = await listFields(db, { table, column, id, org: 'org_id' });
    for (const { org, id: rowId, sealed } of fields) {
      const opened = vault.open(asOrgId(org), { table, column, rowId }, sealed);
      note(
        `${table}.${column}`,
        await opened.then(
          () => true,
          () => false,
        ),
      );
    }
  }
  for (const { table, column, id, place, key } of rootColumns) {
    const sealer = key === 'servers' ? servers : root;
    for (const field of await listFields(db, { table, column, id }))
      note(`${table}.${column}`, sealer.open(place(field.id), field.sealed) !== undefined);
  }
  return { tried, locked };
}

interface Where {
  readonly table: string;
  readonly column: string;
  readonly id: string;
  readonly org?: string;
}

/** One of each organization first. */
function listFields(db: Db, { table, column, id, org }: Where): Promise<readonly Field[]> {
  const owner = org === undefined ? sql`''` : sql`${sql.id(org)}::text`;
  return withPlatform(db, async ({ tx }) => {
    const { rows } = await sql<Field>`
      select org, id, sealed from (
        select ${owner} as org, ${sql.id(id)}::text as id, ${sql.id(column)} as sealed,
          row_number() over (partition by ${owner} order by ${sql.id(id)}) as place
        from ${sql.id('gateway', table)} where ${sql.id(column)} is not null) found
      order by place, org limit ${perColumn}`.execute(tx);
    return rows;
  });
}
