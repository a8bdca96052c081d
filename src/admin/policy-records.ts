/** What routes of policies need of storage. */
import type { OrgId, PolicyId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization } from '#db/scope.ts';
import {
  insertPolicy,
  listPolicies,
  type NewPolicy,
  type Policy,
  removePolicy,
  updatePolicy,
} from '#records/policies.ts';

/** What a group gives: everything of a server or collection, or some tools. */
export interface GroupGrants {
  readonly name: string;
  readonly externalId: string | undefined;
  /** MCP-Admin: needs no grants. */
  readonly builtin: boolean;
  /** By id of server or collection. */
  readonly grants: ReadonlyMap<string, readonly string[] | '*'>;
}

export interface PolicyRecords {
  listPolicies(org: OrgId): Promise<readonly Policy[]>;
  /** Throws `conflict`, `not_found`. */
  insertPolicy(org: OrgId, values: NewPolicy): Promise<Policy>;
  updatePolicy(org: OrgId, id: PolicyId, values: NewPolicy): Promise<Policy>;
  removePolicy(org: OrgId, id: PolicyId): Promise<void>;
  listGroupGrants(org: OrgId): Promise<readonly GroupGrants[]>;
}

export function policyRecords({ db }: { readonly db: Db }): PolicyRecords {
  return {
    listPolicies: (org) => withOrganization(db, org, listPolicies),
    insertPolicy: (org, values) => withOrganization(db, org, (scope) => insertPolicy(scope, values)),
    updatePolicy: (org, id, values) => withOrganization(db, org, (scope) => updatePolicy(scope, id, values)),
    removePolicy: (org, id) => withOrganization(db, org, (scope) => removePolicy(scope, id)),
    listGroupGrants: (org) =>
      withOrganization(db, org, async ({ tx }) => {
        const groups = await tx
          .selectFrom('groups')
          .select(['id', 'name', 'external_id', 'builtin'])
          .orderBy('priority')
          .orderBy('name')
          .execute();
        const rows = await tx
          .selectFrom('grants')
          .select(['group_id', 'server_id', 'collection_id', 'tools'])
          .where('group_id', 'is not', null)
          .execute();
        return groups.map(({ id, name, external_id, builtin }) => ({
          ...{ name, builtin, externalId: external_id ?? undefined },
          grants: new Map(
            rows.flatMap((row) => {
              const target = row.server_id ?? row.collection_id;
              return row.group_id === id && target !== null ? [[target, namesOf(row.tools)] as const] : [];
            }),
          ),
        }));
      }),
  };
}

const namesOf = (tools: unknown): readonly string[] | '*' =>
  Array.isArray(tools) ? tools.filter((tool): tool is string => typeof tool === 'string') : '*';
