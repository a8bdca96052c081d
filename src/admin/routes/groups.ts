import { type Actor, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { type GroupNoun, memberRef, oneOf } from '#admin/people-nouns.ts';
import type { AdminRecords, OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { listGrants } from '#records/grants.ts';
import {
  type GroupMember,
  type GroupRow,
  getGroup,
  insertGroup,
  insertGroupMember,
  listGroupMembers,
  type MemberRef,
  pageGroupMembers,
  pageGroups,
  removeGroup,
  removeGroupMember,
  updateGroup,
} from '#records/groups.ts';
import { getMember } from '#records/members.ts';
import { getServiceAccount } from '#records/service-accounts.ts';
import { shownGrant } from './grants.ts';
import { naming } from './naming.ts';

type Names =
  | 'listGroups'
  | 'getGroup'
  | 'listGroupMembers'
  | 'createGroup'
  | 'updateGroup'
  | 'removeGroup'
  | 'addGroupMember'
  | 'removeGroupMember';

export function groupHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  const changeMember =
    (
      change: typeof insertOne,
    ): ((
      input: RefInput & { readonly organization: string; readonly group: string },
      actor: Actor,
    ) => Promise<GroupNoun>) =>
    async ({ organization: ref, group: name, ...input }, actor) => {
      const organization = await getOrganization(records, actor, ref);
      const who = await findRef(records, { organization, actor, isAdding: change === insertOne }, input);
      return records.within(organization.id, async (scope) => {
        const group = await getGroup(scope, name);
        await change(scope, group, who);
        return shown(await getGroup(scope, group.id), organization);
      });
    };
  return {
    async listGroups({ organization: ref, ...wish }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const { items, next } = await records.within(organization.id, (scope) => pageGroups(scope, wish));
      return { items: items.map((row) => shown(row, organization)), next };
    },
    async listGroupMembers({ organization: ref, group: name, ...wish }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const group = await records.within(organization.id, (scope) => getGroup(scope, name));
      const { items, next } = await records.asPlatform((scope) => pageGroupMembers(scope, group.id, wish));
      return { items: items.map(shownMember), next };
    },
    async getGroup({ organization: ref, group: name }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const { group, grants } = await records.within(organization.id, async (scope) => ({
        group: await getGroup(scope, name),
        grants: await listGrants(scope),
      }));
      const people = await records.asPlatform((scope) => listGroupMembers(scope, group.id));
      return {
        ...shown(group, organization),
        people: people.map(shownMember),
        grants: grants.filter((row) => row.group === group.name).map((row) => shownGrant(row, organization)),
      };
    },
    async createGroup({ organization: ref, externalId, ...input }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const row = await naming(taken, () =>
        records.within(organization.id, (scope) =>
          insertGroup(scope, { ...input, externalId: externalId ?? undefined }),
        ),
      );
      return shown(row, organization);
    },
    async updateGroup({ organization: ref, group: name, name: renamed, ...change }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const row = await naming(taken, () =>
        records.within(organization.id, async (scope) =>
          updateGroup(scope, await getGroup(scope, name), { ...change, name: renamed }),
        ),
      );
      return shown(row, organization);
    },
    async removeGroup({ organization: ref, group: name }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return records.within(organization.id, async (scope) => {
        const group = await getGroup(scope, name);
        await removeGroup(scope, group);
        return shown(group, organization);
      });
    },
    addGroupMember: changeMember(insertOne),
    removeGroupMember: changeMember(removeOne),
  };
}

const shownMember = ({ userId, email, keyId, label, source, addedAt }: GroupMember) => ({
  user: userId ?? null,
  email: email ?? null,
  key: keyId ?? null,
  label: label ?? null,
  source: source ?? null,
  addedAt: addedAt.toISOString(),
});

const taken = 'A group of the organization has this name or external id already';

type Change = (scope: Parameters<typeof getGroup>[0], group: GroupRow, ref: MemberRef) => Promise<void>;
const insertOne: Change = (scope, group, ref) => insertGroupMember(scope, group.id, { ref });
const removeOne: Change = async (scope, group, ref) => {
  if (await removeGroupMember(scope, group.id, ref)) return;
  throw new GatehouseError('not_found', { message: 'They are not in this group' });
};

export type RefInput = { readonly [Name in keyof typeof memberRef]?: string | undefined };

interface Finding {
  readonly organization: OrganizationRow;
  readonly actor: Actor;
  /** Who is there no more can still be taken out. */
  readonly isAdding: boolean;
}

const ref = oneOf(Object.keys(memberRef));

/** Nobody learns by this who is elsewhere. Throws `bad_request`, `not_found`. */
export async function findRef(
  records: AdminRecords,
  { organization, actor, isAdding }: Finding,
  { user, email, key, serviceAccount }: RefInput,
): Promise<MemberRef> {
  if (!ref.check({ user, email, key, serviceAccount })) {
    throw new GatehouseError('bad_request', { message: `The request ${ref.error}` });
  }
  if (serviceAccount !== undefined) {
    const account = await records.asPlatform((scope) => getServiceAccount(scope, organization.id, serviceAccount));
    return { userId: account.id };
  }
  // The platform knows people whom only their identity provider calls members.
  if (user !== undefined && isAdding && actor.kind !== 'platform')
    await records.asPlatform((scope) => getMember(scope, organization.id, user));
  return { userId: user?.toLowerCase(), email, keyId: key };
}

function shown({ id, externalId, ...row }: GroupRow, { slug }: OrganizationRow): GroupNoun {
  const { name, title, priority, builtin, managedBy, members } = row;
  return {
    ...{ id, organization: slug, name, title, externalId: externalId ?? null },
    ...{ priority, builtin, managedBy, members },
  };
}
