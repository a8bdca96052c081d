/** Servers switched on for an organization, and who in it may use them. No row: not enabled. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asServerId, type ServerId } from '#core/ids.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';

export interface Enablement {
  readonly server: ServerId;
  readonly enabled: boolean;
  /** Every active member, whatever `allowedRoles` says. */
  readonly allMembers: boolean;
  /** Role slugs; empty admits nobody. */
  readonly allowedRoles: readonly string[];
  /** Tools that are switched off here; undefined when written: as they were. */
  readonly blockedTools?: readonly string[] | undefined;
}

/** Inserts or replaces. Throws `not_found` for a server that is neither the organization's nor the platform's. */
export async function putEnablement({ tx, org }: OrganizationScope, enablement: Enablement): Promise<void> {
  const values = {
    enabled: enablement.enabled,
    all_members: enablement.allMembers,
    allowed_roles: JSON.stringify(enablement.allowedRoles),
    ...(enablement.blockedTools === undefined ? {} : { blocked_tools: JSON.stringify(enablement.blockedTools) }),
  };
  await tx
    .insertInto('enablements')
    .values({ org_id: org, server_id: enablement.server, ...values })
    .onConflict((conflict) =>
      conflict.columns(['org_id', 'server_id']).doUpdateSet({ ...values, updated_at: new Date() }),
    )
    .execute();
}

export async function listEnablements({ tx }: OrganizationScope): Promise<readonly Enablement[]> {
  const rows = await tx.selectFrom('enablements').selectAll().orderBy('server_id').execute();
  return rows.map((row) => ({
    server: asServerId(row.server_id),
    enabled: row.enabled,
    allMembers: row.all_members,
    allowedRoles: parseRoles(row.allowed_roles),
    blockedTools: parseRoles(row.blocked_tools),
  }));
}

/** Of many switches at once none is lost. Throws `not_found` where the server isn't enabled. */
export async function blockEnabledTools(
  { tx }: OrganizationScope,
  server: ServerId,
  { tools, blocked }: ToolSwitch,
): Promise<void> {
  const { numUpdatedRows } = await tx
    .updateTable('enablements')
    .set({ blocked_tools: switched(tools, blocked), updated_at: new Date() })
    .where('server_id', '=', server)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

export interface ToolSwitch {
  readonly tools: readonly string[];
  readonly blocked: boolean;
}

/** The list in `blocked_tools`, with these or without them. */
export const switched = (tools: readonly string[], blocked: boolean) =>
  sql<string>`coalesce((select jsonb_agg(distinct name) from (
    select jsonb_array_elements_text(blocked_tools) as name
    union all select unnest(${[...tools]}::text[]) where ${blocked}::boolean
  ) as names where ${blocked}::boolean or name <> all (${[...tools]}::text[])), '[]')`;

/** Throws `not_found`. */
export async function removeEnablement({ tx }: OrganizationScope, server: ServerId): Promise<void> {
  const { numDeletedRows } = await tx.deleteFrom('enablements').where('server_id', '=', server).executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
}
