/** Asked at every start: does row-level security really stand between organizations? */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { Db } from './schema.ts';

interface RoleRow {
  readonly name: string;
  readonly bypasses: boolean;
  readonly owns: boolean;
}

/**
 * Throws `setting` when the role that queries run as could look past row-level security (superuser, BYPASSRLS, owner of
 * a table), when a table with an organization has no forced policy, or when a query without a scope sees a row.
 */
export async function checkIsolation(db: Db): Promise<void> {
  const role = await currentRole(db);
  if (!role || role.bypasses || role.owns) {
    refuse(
      `the database role "${role?.name ?? ''}" could look past row-level security; queries must run as gatehouse_app`,
    );
  }
  const open = await listUnprotectedTables(db);
  if (open.length > 0) refuse(`tables without forced row-level security: ${open.join(', ')}`);
  const { rows } = await sql<{ seen: boolean }>`select exists (select from gateway.organizations) as seen`.execute(db);
  if (rows[0]?.seen) refuse('a query without an organization sees organizations');
}

async function currentRole(db: Db): Promise<RoleRow | undefined> {
  const { rows } = await sql<RoleRow>`
    select rolname as name, rolsuper or rolbypassrls as bypasses,
      exists (select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'gateway' and pg_has_role(c.relowner, 'USAGE')) as owns
    from pg_roles where rolname = current_user`.execute(db);
  return rows[0];
}

/** Tables of the schema that hold `org_id` (or are the organizations) and lack ENABLE, FORCE or a policy. */
export async function listUnprotectedTables(db: Db): Promise<readonly string[]> {
  const { rows } = await sql<{ name: string }>`
    select c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'gateway' and c.relkind in ('r', 'p')
      and (c.relname = 'organizations' or exists (
        select from pg_attribute a where a.attrelid = c.oid and a.attname = 'org_id' and not a.attisdropped))
      and not (c.relrowsecurity and c.relforcerowsecurity
        and exists (select from pg_policy p where p.polrelid = c.oid))
    order by 1`.execute(db);
  return rows.map((row) => row.name);
}

function refuse(reason: string): never {
  throw new GatehouseError('setting', { message: `Organizations are not kept apart: ${reason}` });
}
