import { getOrganization } from '#admin/actor.ts';
import type { ParsedInput } from '#admin/contract.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { limitFault, type ShownLimit } from '#admin/limit-nouns.ts';
import type { AdminRecords, OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { asGroupId, asKeyId, asServerId } from '#core/ids.ts';
import { ruleKey } from '#records/limit-rules.ts';
import type { LimitRule } from '#records/snapshot.ts';

type Names = Pick<Handlers, 'listLimits' | 'getLimit' | 'setLimit' | 'removeLimit' | 'getLimitUsage'>;

const unknownLimit = () =>
  new GatehouseError('not_found', { message: 'There is no such limit: list them with `gatehouse limit list`' });

export function limitHandlers({ records, readLimit }: AdminDeps): Names {
  return {
    async listLimits(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const names = await records.limitNames(organization.id);
      return { items: (await records.listLimits(organization.id)).map((rule) => shown(rule, names)) };
    },
    async getLimit(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const rule = (await records.listLimits(organization.id)).find(({ id }) => id === input.id);
      if (!rule) throw unknownLimit();
      return shown(rule, await records.limitNames(organization.id));
    },
    async setLimit(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const names = await records.limitNames(organization.id);
      const rule = ruleOf(input, names);
      if (rule.key !== undefined && !(await records.listKeys(organization.id)).some(({ id }) => id === rule.key))
        throw new GatehouseError('not_found', { message: 'There is no such API key in this organization' });
      return shown(await records.setLimit(organization.id, rule), names);
    },
    async removeLimit(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const names = await records.limitNames(organization.id);
      const removed = await records.removeLimit(organization.id, input.id);
      if (!removed) throw unknownLimit();
      return shown(removed, names);
    },
    async getLimitUsage({ organization: ref, id, of }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const rule = (await records.listLimits(organization.id)).find((found) => found.id === id);
      if (!rule) throw unknownLimit();
      const { rate } = rule;
      if (!rate) return { items: [] };
      const subjects = await subjectsOf(rule, { records, organization, of });
      const points = rate.points + rate.burst;
      const items = await Promise.all(
        subjects.map(async (subject) => {
          const { used, resetMs } = await readLimit(ruleKey(rule, subject), rate);
          const remaining = Math.max(0, points - used);
          return {
            of: subject === '' ? null : subject,
            used,
            points,
            remaining,
            resetSeconds: Math.ceil(resetMs / 1000),
          };
        }),
      );
      return { items };
    },
  };
}

interface Asked {
  readonly records: AdminRecords;
  readonly organization: OrganizationRow;
  readonly of: string | undefined;
}

const MAX_KEYS = 200;

async function subjectsOf(rule: LimitRule, { records, organization, of }: Asked): Promise<readonly string[]> {
  if (rule.counts === 'organization') return [''];
  if (of !== undefined) return [of];
  if (rule.counts === 'group') {
    if (rule.group !== undefined) return [rule.group];
    return [...(await records.limitNames(organization.id)).groups.keys()];
  }
  const named = rule.user ?? rule.key;
  if (named !== undefined) return [named];
  return (await records.listKeys(organization.id))
    .filter(({ revokedAt }) => revokedAt === undefined)
    .slice(0, MAX_KEYS)
    .map((key) => key.id);
}

/** What ids stand for, in the words of people. */
export interface LimitNames {
  readonly groups: ReadonlyMap<string, string>;
  readonly servers: ReadonlyMap<string, string>;
  /** Members only: id → address. */
  readonly users: ReadonlyMap<string, string | undefined>;
}

type LimitInput = Omit<ParsedInput<'setLimit'>, 'organization'>;

/** Throws `bad_request` for what cannot be, `not_found` for names of nothing. */
export function ruleOf(input: LimitInput, names: LimitNames): Omit<LimitRule, 'id'> {
  const { counts, points, windowSeconds, burst, concurrent, tool, apiKey } = input;
  const fault = limitFault(input);
  if (fault !== undefined) throw new GatehouseError('bad_request', { message: `The limit ${fault}` });
  const groupId = idOf('group', input.group, names.groups);
  const serverId = idOf('server', input.server, names.servers);
  return {
    counts,
    group: groupId === undefined ? undefined : asGroupId(groupId),
    user: idOf('user', input.user?.toLowerCase(), names.users),
    key: apiKey === undefined ? undefined : asKeyId(apiKey),
    server: serverId === undefined ? undefined : asServerId(serverId),
    tool,
    rate: points === undefined ? undefined : { points, windowSeconds, burst },
    concurrent,
  };
}

function idOf(
  noun: string,
  name: string | undefined,
  ids: ReadonlyMap<string, string | undefined>,
): string | undefined {
  if (name === undefined) return undefined;
  const found = ids.has(name) ? name : [...ids].find(([, shown]) => shown?.toLowerCase() === name.toLowerCase())?.[0];
  if (found !== undefined) return found;
  throw new GatehouseError('not_found', { message: `There is no ${noun} "${name}" in this organization` });
}

function shown(
  { id, counts, group, user, key, server, tool, rate, concurrent }: LimitRule,
  names: LimitNames,
): ShownLimit {
  return {
    id,
    counts,
    group: group === undefined ? null : (names.groups.get(group) ?? group),
    user: user === undefined ? null : (names.users.get(user) ?? user),
    apiKey: key ?? null,
    server: server === undefined ? null : (names.servers.get(server) ?? server),
    tool: tool ?? null,
    points: rate?.points ?? null,
    windowSeconds: rate?.windowSeconds ?? null,
    burst: rate?.burst ?? null,
    concurrent: concurrent ?? null,
  };
}
