/** Who can do what: every group of an organization against the tools that are known, by grants and policies together. */
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import type { PolicyMatrix } from '#admin/contract/policies.ts';
import { findPlaces, type Places } from '#admin/policy-places.ts';
import type { GroupGrants } from '#admin/policy-records.ts';
import type { AdminRecords, OrganizationRow } from '#admin/records.ts';
import { asServerId, type OrgId } from '#core/ids.ts';
import { compileOrClose, concerns, type Tested } from './policy-tests.ts';

interface Deps {
  readonly records: AdminRecords;
  readonly engine: PolicyEngine;
}

/** A server by itself or in a collection. */
interface Way {
  readonly endpoint: string;
  /** Of the server or collection. */
  readonly id: string;
  readonly collection: string | undefined;
  readonly server: string;
  readonly everybody: boolean;
}

const ANY = '*';

export async function matrixOf(deps: Deps, organization: OrganizationRow, only?: string): Promise<PolicyMatrix> {
  const { records, engine } = deps;
  const places = await findPlaces(records, organization);
  const groups = await records.listGroupGrants(organization.id);
  const sets = (await records.listPolicies(organization.id)).filter(({ mode }) => mode === 'enforce');
  const judges = sets.map((set) => ({ set, decide: compileOrClose(engine, set) }));
  const ways = (await waysOf(records, organization.id, places)).filter(({ server }) =>
    [undefined, server].includes(only),
  );
  const columns = [everybody, ...groups];
  const rows = ways.flatMap((way) =>
    toolsOf(way, places, { sets, groups }).map((tool) => ({
      ...{ endpoint: way.endpoint, server: way.server, tool },
      cells: columns.map((group) => {
        if (!isGranted(group, way, tool)) return 'grant' as const;
        const asked = {
          action: 'call_tool',
          server: way.server,
          resource: tool,
          args: undefined,
          annotations: undefined,
        } as const;
        const isPermitted = judges
          .filter(({ set }) => concerns(set, { server: way.server, collection: way.collection }, places))
          .every(({ decide }) => decide(callerIn(group, organization), asked, places).allowed);
        return isPermitted ? ('yes' as const) : ('policy' as const);
      }),
    })),
  );
  return { groups: columns.map(({ name }) => name), rows };
}

/** Who is in no group and has no role. */
const everybody: GroupGrants = { name: 'everybody', externalId: undefined, builtin: false, grants: new Map() };

function callerIn(group: GroupGrants, { slug }: OrganizationRow) {
  const { name, externalId } = group;
  const groups = group === everybody ? [] : externalId === undefined ? [name] : [name, externalId];
  return { subject: 'somebody', claims: { sub: 'somebody', org: slug, roles: [], groups } };
}

async function waysOf(records: AdminRecords, org: OrgId, { servers, collections }: Places): Promise<readonly Way[]> {
  const ways: Way[] = [];
  for (const { id, key } of servers) {
    const enablement = await records.findEnablement(org, asServerId(id));
    if (!enablement?.enabled) continue;
    ways.push({ endpoint: key, id, collection: undefined, server: key, everybody: enablement.allMembers });
  }
  for (const { id, name, bindings, allowedRoles } of collections)
    for (const server of new Set(bindings.map((binding) => binding.server)))
      ways.push({ endpoint: name, id, collection: name, server, everybody: allowedRoles === '*' });
  return ways;
}

/** Those that were seen (else those that policies name), those that grants name, and any other. */
function toolsOf(
  { server, id: way }: Way,
  { servers, tools }: Places,
  { sets, groups }: { readonly sets: readonly Tested[]; readonly groups: readonly GroupGrants[] },
): readonly string[] {
  const id = servers.find(({ key }) => key === server)?.id ?? '';
  const granted = groups.flatMap(({ grants }) => {
    const some = grants.get(way);
    return some === undefined || some === '*' ? [] : some;
  });
  const seen = (tools.get(id) ?? []).map(({ name }) => String(name));
  const named = sets
    .filter((set) => set.server === undefined || set.server === id)
    .flatMap(({ config }) =>
      [...JSON.stringify(config).matchAll(/Tool::\\"((?:[^"\\])+)\\"/g)].map(([, name]) => name ?? ''),
    );
  const known = seen.length > 0 ? seen : named;
  return [...[...new Set([...known, ...granted])].sort(), ANY];
}

function isGranted({ builtin, grants }: GroupGrants, way: Way, tool: string): boolean {
  if (builtin || way.everybody) return true;
  const granted = grants.get(way.id);
  return granted === '*' || granted?.includes(tool) === true;
}
