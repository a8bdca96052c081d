/** Policies of gatehouse.yaml become rows, checked first: what cannot be parsed fails the start (REQUIREMENTS S2.17). */
import { type PolicyEngine, PolicyProblem } from '#adapters/policy/policy.ts';
import { settingError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Policy } from '#records/policies.ts';
import { canonical } from './canonical.ts';
import { findPlaces, knownServers, targetOf } from './policy-places.ts';
import type { AdminRecords } from './records.ts';

export interface WantedPolicy {
  readonly organization: string;
  readonly name: string;
  readonly server?: string | undefined;
  readonly collection?: string | undefined;
  readonly onError: 'deny' | 'skip';
  readonly mode: 'enforce' | 'log';
  readonly policies?: string | undefined;
  readonly config?: JsonObject | undefined;
}

export interface AppliedPolicies {
  readonly changed: readonly string[];
  readonly warnings: readonly string[];
}

/** What the file no longer names stays, as everything else of it does. Throws GatehouseError `setting`. */
export async function applyPolicies(
  {
    records,
    engine,
    adopt,
  }: { readonly records: AdminRecords; readonly engine: PolicyEngine; readonly adopt?: boolean },
  wanted: readonly WantedPolicy[],
): Promise<AppliedPolicies> {
  const changed: string[] = [];
  const warnings: string[] = [];
  for (const item of wanted) {
    const organization = await records.findOrganization(item.organization);
    if (!organization)
      throw settingError(`There is no organization "${item.organization}": add it under organizations`);
    const label = `policies ${organization.slug}/${item.name}`;
    const { name, onError, mode } = item;
    const { target, config, said } = await check({ records, engine }, item, { organization, label });
    warnings.push(...said.map((warning) => `${label}: ${warning}`));
    const values = { name, onError, mode, ...target, config, managedBy: 'file' as const };
    const found = (await records.listPolicies(organization.id)).find((row) => row.name === name);
    if (found && found.managedBy !== 'file' && !adopt)
      throw settingError(`The ${label} of gatehouse.yaml were made by the API: remove them there, or rename them`);
    if (found && isSame(found, values)) continue;
    if (found) await records.updatePolicy(organization.id, found.id, values);
    else await records.insertPolicy(organization.id, values);
    changed.push(label);
  }
  return { changed, warnings };
}

interface Checking {
  readonly organization: Parameters<typeof findPlaces>[1];
  readonly label: string;
}

async function check(
  { records, engine }: { readonly records: AdminRecords; readonly engine: PolicyEngine },
  item: WantedPolicy,
  { organization, label }: Checking,
) {
  const places = await findPlaces(records, organization);
  try {
    const target = targetOf(places, item);
    const config = item.policies === undefined ? (item.config ?? {}) : engine.configOf(item.policies);
    const { errors, warnings: said } = engine.check(config, knownServers(places, target));
    if (errors.length > 0) throw new PolicyProblem(errors.join('; '));
    return { target, config, said };
  } catch (thrown) {
    throw settingError(`gatehouse.yaml: ${label}: ${thrown instanceof Error ? thrown.message : 'is wrong'}`, thrown);
  }
}

function isSame(found: Policy, values: Omit<Policy, 'id' | 'version' | 'updatedAt'>): boolean {
  const { id: _id, version: _version, updatedAt: _at, ...rest } = found;
  return canonical(rest) === canonical(values);
}
