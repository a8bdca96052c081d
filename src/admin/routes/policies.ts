import { type PolicyEngine, PolicyProblem } from '#adapters/policy/policy.ts';
import { getOrganization } from '#admin/actor.ts';
import type { PolicyOutput } from '#admin/contract/policies.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { findPlaces, knownServers, namesOf, type Places, targetOf } from '#admin/policy-places.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { NewPolicy, Policy } from '#records/policies.ts';
import { matrixOf } from './policy-matrix.ts';
import { type Tested, testCases, wholeOf } from './policy-tests.ts';

type Names =
  | 'listPolicies'
  | 'getPolicy'
  | 'createPolicy'
  | 'updatePolicy'
  | 'removePolicy'
  | 'testPolicies'
  | 'showPolicyMatrix';

export function policyHandlers({ records, policies: engine, self }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listPolicies(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const places = await findPlaces(records, organization);
      const rows = await records.listPolicies(organization.id);
      return { items: rows.map((row) => shown(row, organization, places)) };
    },
    async getPolicy(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const row = getByName(await records.listPolicies(organization.id), input.name);
      return shown(row, organization, await findPlaces(records, organization));
    },
    async createPolicy(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const places = await findPlaces(records, organization);
      const { values, warnings } = checked(engine, input, places);
      if ((await records.listPolicies(organization.id)).some(({ name }) => name === input.name))
        throw new GatehouseError('conflict', { message: `Policies named "${input.name}" exist already` });
      return { ...shown(await records.insertPolicy(organization.id, values), organization, places), warnings };
    },
    async updatePolicy(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const places = await findPlaces(records, organization);
      const { id } = changeable(await records.listPolicies(organization.id), input.name);
      const { values, warnings } = checked(engine, input, places);
      return { ...shown(await records.updatePolicy(organization.id, id, values), organization, places), warnings };
    },
    async removePolicy(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const places = await findPlaces(records, organization);
      const row = changeable(await records.listPolicies(organization.id), input.name);
      await records.removePolicy(organization.id, row.id);
      return shown(row, organization, places);
    },
    async testPolicies({ draft, cases, ...input }, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const places = await findPlaces(records, organization);
      const kept = await records.listPolicies(organization.id);
      const testedBy = async (sets: readonly Tested[]) => {
        const judged = testCases(engine, sets, { cases, places });
        const of = { self, org: organization.id, places };
        return Promise.all(
          cases.map(async (one, i) => {
            const result = judged[i];
            if (!result) throw new GatehouseError('internal');
            return { ...result, outcome: await wholeOf(of, one, result.decision) };
          }),
        );
      };
      if (!draft) return { results: await testedBy(kept), errors: [], warnings: [] };
      const { values, warnings } = checked(engine, draft, places);
      const others = kept.filter(({ name }) => name !== draft.name);
      const version = 1 + (kept.find(({ name }) => name === draft.name)?.version ?? 0);
      return { results: await testedBy([...others, { ...values, version }]), errors: [], warnings: [...warnings] };
    },
    async showPolicyMatrix(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      return matrixOf({ records, engine }, organization, input.server);
    },
  };
}

type Input = Omit<ParsedInput<'createPolicy'>, 'organization'>;

interface Checked {
  readonly values: NewPolicy;
  readonly warnings: string[];
}

/** Throws `bad_request` with everything that is wrong. */
function checked(engine: PolicyEngine, input: Input, places: Places): Checked {
  const { name, onError, mode } = input;
  const target = targetOf(places, input);
  const config = configOf(engine, input);
  const { errors, warnings } = engine.check(config, knownServers(places, target));
  if (errors.length > 0) throw new GatehouseError('bad_request', { message: errors.join('\n') });
  return { values: { name, onError, mode, ...target, config, managedBy: 'api' }, warnings: [...warnings] };
}

/** Throws `bad_request`. */
export function configOf(engine: PolicyEngine, { policies, config }: Pick<Input, 'policies' | 'config'>): JsonObject {
  if ((policies === undefined) === (config === undefined))
    throw new GatehouseError('bad_request', { message: 'Give either policies (Cedar text) or config' });
  try {
    return policies === undefined ? (config as JsonObject) : engine.configOf(policies);
  } catch (thrown) {
    if (!(thrown instanceof PolicyProblem)) throw thrown;
    throw new GatehouseError('bad_request', { message: thrown.message, cause: thrown });
  }
}

function getByName(rows: readonly Policy[], name: string): Policy {
  const found = rows.find((row) => row.name === name);
  if (found) return found;
  throw new GatehouseError('not_found', { message: `There are no policies named "${name}"` });
}

function changeable(rows: readonly Policy[], name: string): Policy {
  const row = getByName(rows, name);
  if (row.managedBy !== 'file') return row;
  throw new GatehouseError('conflict', {
    message: `The policies "${name}" come from gatehouse.yaml: change them there`,
  });
}

function shown(row: Policy, organization: OrganizationRow, places: Places): PolicyOutput {
  const { id, name, config, onError, mode, version, managedBy, updatedAt } = row;
  return {
    ...{ id, name, onError, mode, version, managedBy, ...namesOf(places, row) },
    organization: organization.slug,
    updatedAt: new Date(updatedAt).toISOString(),
    config: config as PolicyOutput['config'],
  };
}
