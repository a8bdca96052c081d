/** The part of a snapshot that says who may do what: groups and their grants, policies, routes, limits. */
import { asCredentialId, asGroupId, asOrgId, asPolicyId, asServerId, type GroupId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { isReservedHeader } from '#core/reserved.ts';
import type { Tx } from '#db/schema.ts';
import { parseRoles } from './columns.ts';
import { asLimitRule } from './limit-rules.ts';
import type { ToolGrant } from './rights.ts';
import type { CredentialRef, Group, OrganizationSnapshot, PolicySource, ServerRoute } from './snapshot.ts';

type Rows<F extends (...args: never[]) => Promise<readonly unknown[]>> = Awaited<ReturnType<F>>[number];

export interface AccessRows {
  readonly groups: ReadonlyMap<string, readonly Rows<typeof readGroups>[]>;
  readonly grants: ReadonlyMap<string, readonly Rows<typeof readGroupGrants>[]>;
  readonly policies: ReadonlyMap<string, readonly Rows<typeof readPolicies>[]>;
  readonly routes: ReadonlyMap<string, readonly Rows<typeof readRoutes>[]>;
  readonly limits: ReadonlyMap<string, readonly Rows<typeof readLimits>[]>;
}

const readGroups = (tx: Tx, ids: readonly string[]) =>
  tx
    .selectFrom('groups')
    .select(['id', 'org_id', 'name', 'external_id', 'builtin'])
    .where('org_id', 'in', ids)
    .orderBy('priority')
    .orderBy('name')
    .execute();

const readGroupGrants = (tx: Tx, ids: readonly string[]) =>
  tx
    .selectFrom('grants')
    .select(['org_id', 'group_id', 'server_id', 'collection_id', 'tools'])
    .where('org_id', 'in', ids)
    .where('group_id', 'is not', null)
    .execute();

const readPolicies = (tx: Tx, ids: readonly string[]) =>
  tx
    .selectFrom('policies')
    .select(['id', 'org_id', 'name', 'server_id', 'collection_id', 'config', 'on_error', 'mode', 'version'])
    .where('org_id', 'in', ids)
    .orderBy('name')
    .execute();

const readRoutes = (tx: Tx, ids: readonly string[]) =>
  tx
    .selectFrom('server_routes as r')
    .leftJoin('credentials as k', (join) =>
      join.onRef('k.id', '=', 'r.credential_id').onRef('k.org_id', '=', 'r.org_id'),
    )
    .select(['r.org_id', 'r.group_id', 'r.server_id', 'r.key_name', 'r.credential_id', 'r.url'])
    .select(['k.version', 'k.header_name', 'k.header_template'])
    .where('r.org_id', 'in', ids)
    .orderBy('r.id')
    .execute();

const readLimits = (tx: Tx, ids: readonly string[]) =>
  tx.selectFrom('limit_rules').selectAll().where('org_id', 'in', ids).orderBy('id').execute();

/** One after the other: they share one connection. */
export async function readAccess(tx: Tx, ids: readonly string[]): Promise<AccessRows> {
  const of = <R extends { readonly org_id: string }>(rows: readonly R[]) => Map.groupBy(rows, (row) => row.org_id);
  return {
    groups: of(await readGroups(tx, ids)),
    grants: of(await readGroupGrants(tx, ids)),
    policies: of(await readPolicies(tx, ids)),
    routes: of(await readRoutes(tx, ids)),
    limits: of(await readLimits(tx, ids)),
  };
}

/** Of one server or collection. */
export function grantsOf({ grants }: AccessRows, org: string, target: string): ReadonlyMap<GroupId, ToolGrant> {
  const own = (grants.get(org) ?? []).filter((row) => (row.server_id ?? row.collection_id) === target);
  return new Map(own.map((row) => [asGroupId(row.group_id ?? ''), asToolGrant(row.tools)]));
}

export const asToolGrant = (tools: unknown): ToolGrant => (tools === null ? '*' : new Set(parseRoles(tools)));

interface House {
  /** Of servers: which of several keys of a group is theirs. */
  readonly keyNames: ReadonlyMap<string, string>;
  readonly log: Log;
}

export function accessOf(
  rows: AccessRows,
  org: string,
  { keyNames, log }: House,
): Pick<OrganizationSnapshot, 'groups' | 'policies' | 'routes' | 'limits'> {
  const groups = (rows.groups.get(org) ?? []).map(asGroup);
  return {
    groups: new Map(groups.map((group) => [group.id, group])),
    policies: (rows.policies.get(org) ?? []).map(asPolicy),
    routes: (rows.routes.get(org) ?? []).flatMap((row) =>
      row.key_name === (keyNames.get(row.server_id) ?? '') ? asRoute(row, log) : [],
    ),
    limits: (rows.limits.get(org) ?? []).map(asLimitRule),
  };
}

const asGroup = (row: Rows<typeof readGroups>): Group => ({
  id: asGroupId(row.id),
  name: row.name,
  externalId: row.external_id ?? undefined,
  builtin: row.builtin,
});

const asPolicy = (row: Rows<typeof readPolicies>): PolicySource => ({
  id: asPolicyId(row.id),
  name: row.name,
  version: row.version,
  target:
    row.server_id !== null
      ? { kind: 'server', id: asServerId(row.server_id) }
      : row.collection_id !== null
        ? { kind: 'collection', id: row.collection_id }
        : { kind: 'organization' },
  config: row.config,
  onError: row.on_error === 'skip' ? 'skip' : 'deny',
  mode: row.mode === 'log' ? 'log' : 'enforce',
});

/** One whose credential cannot be used leads nowhere: never to its address without it. */
function asRoute(row: Rows<typeof readRoutes>, log: Log): ServerRoute[] {
  const { credential_id, version, header_name, header_template } = row;
  let credential: CredentialRef | undefined;
  if (credential_id !== null) {
    if (version === null || header_name === null || header_template === null || isReservedHeader(header_name)) {
      log.error({ server: row.server_id, group: row.group_id }, 'a route has a credential that cannot be used');
      return [];
    }
    const header = { name: header_name, template: header_template };
    credential = { id: asCredentialId(credential_id), org: asOrgId(row.org_id), version, header };
  }
  return [
    {
      group: row.group_id === null ? undefined : asGroupId(row.group_id),
      server: asServerId(row.server_id),
      credential,
      url: row.url ?? undefined,
    },
  ];
}
