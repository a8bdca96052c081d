import { checkHandedOn, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { type GroupedMemberNoun, type MemberNoun, oneOf } from '#admin/people-nouns.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { findMemberGroups, type GroupOfMember } from '#records/member-groups.ts';
import {
  getMember,
  insertMember,
  insertMemberByEmail,
  type Member,
  pageMembers,
  removeInvitation,
  removeMember,
  updateMember,
} from '#records/members.ts';
import { getPerson } from '#records/people.ts';

type Names = 'listMembers' | 'getMember' | 'addMember' | 'updateMember' | 'removeMember' | 'removeInvitation';
const who = oneOf(['user', 'email']);

export function memberHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  async function withGroups(org: OrgId, members: readonly Member[]): Promise<GroupedMemberNoun[]> {
    const groups = await records.asPlatform((scope) => findMemberGroups(scope, org, members));
    const ofMember = ({ userId, email }: Member) => groups.get(userId ?? email?.toLowerCase() ?? '') ?? [];
    return members.map((member) => ({ ...shown(member), groups: ofMember(member).map(shownGroup) }));
  }
  return {
    async listMembers({ organization: ref, ...wish }, actor) {
      const { id } = await getOrganization(records, actor, ref);
      const { items, next } = await records.asPlatform((scope) => pageMembers(scope, id, wish));
      return { items: await withGroups(id, items), next };
    },
    async getMember({ organization: ref, user }, actor) {
      const { id } = await getOrganization(records, actor, ref);
      const member = person(await records.asPlatform((scope) => getMember(scope, id, user)));
      const [grouped] = await withGroups(id, [member]);
      return grouped ?? { ...shown(member), groups: [] };
    },
    async addMember({ organization: ref, user, email, roles }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      checkHandedOn(actor, roles);
      if (!who.check({ user, email })) throw new GatehouseError('bad_request', { message: `The request ${who.error}` });
      if (email !== undefined) {
        return shown(await records.asPlatform((scope) => insertMemberByEmail(scope, { org, email, roles })));
      }
      // Ids of people are the platform's to know: an organization invites by address.
      if (actor.kind !== 'platform') throw new GatehouseError('bad_request', { message: 'Invite by e-mail address' });
      return shown(
        await records.asPlatform(async (scope) => {
          const { id } = await getPerson(scope, user ?? '');
          return insertMember(scope, { org, userId: id, roles });
        }),
      );
    },
    async updateMember({ organization: ref, user, ...change }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      return shown(
        await records.asPlatform(async (scope) => {
          const member = person(await getMember(scope, org, user));
          checkHandedOn(actor, [...member.roles, ...(change.roles ?? [])]);
          return updateMember(scope, { org, member, change });
        }),
      );
    },
    async removeMember({ organization: ref, user }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      return shown(
        await records.asPlatform(async (scope) => {
          const member = person(await getMember(scope, org, user));
          checkHandedOn(actor, member.roles);
          await removeMember(scope, org, member);
          return member;
        }),
      );
    },
    async removeInvitation({ organization: ref, email }, actor) {
      const { id: org } = await getOrganization(records, actor, ref);
      return shown(await records.asPlatform((scope) => removeInvitation(scope, org, email)));
    },
  };
}

/** Service accounts have routes of their own. */
function person(member: Member): Member {
  if (member.kind === 'person') return member;
  throw new GatehouseError('not_found', { message: 'There is no such member: list them with `gatehouse member list`' });
}

function shown({ userId, email, name, roles, active, saidBy }: Member): MemberNoun {
  return {
    user: userId ?? null,
    email: email ?? null,
    name: name ?? null,
    roles: [...roles],
    active,
    saidBy: saidBy ?? null,
  };
}

const shownGroup = ({ source, ...group }: GroupOfMember) => ({ ...group, source: source ?? null });
