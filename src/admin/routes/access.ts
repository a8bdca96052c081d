/** What somebody may use and by what, by the very decision that calls are under. */
import { type Actor, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { findPlaces } from '#admin/policy-places.ts';
import { offsetIn, sliceOf } from '#admin/slice.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import { getMember, listMembers } from '#records/members.ts';
import { roomsOf } from './me.ts';

export function accessHandlers(deps: AdminDeps): Pick<Handlers, 'showAccess' | 'showWhoCan'> {
  const { records } = deps;
  const open = (actor: Actor, ref: string) => getOrganization(records, actor, ref);
  return {
    async showAccess({ organization: ref, user, endpoint, ...page }, actor) {
      const organization = await open(actor, ref);
      const member = await records.asPlatform((scope) => getMember(scope, organization.id, user));
      const { servers, tools } = await findPlaces(records, organization);
      const known = new Map<string, readonly JsonObject[]>(servers.map(({ id, key }) => [key, tools.get(id) ?? []]));
      const self = { userId: member.userId ?? user, org: organization.id };
      const [{ roles, groups, isAdministrator }, items] = await Promise.all([
        roomsOf(deps).standing(self),
        roomsOf(deps).access(self, { endpoint, tools: known }),
      ]).catch(refuseShutOut);
      const who = { user: self.userId, roles: [...roles], groups: [...groups], isAdministrator };
      return { ...sliceOf(items, page), ...who };
    },
    async showWhoCan({ organization: ref, endpoint, tool, limit, cursor }, actor) {
      const { id: org } = await open(actor, ref);
      const people = (await records.asPlatform((scope) => listMembers(scope, org))).flatMap((member) =>
        member.userId === undefined || !member.active ? [] : [{ ...member, userId: member.userId }],
      );
      const start = offsetIn(cursor);
      const { items: asked, next } = sliceOf(people, { limit, cursor });
      const items = [];
      for (const { userId, email, name } of start < people.length ? asked : []) {
        const found = await roomsOf(deps)
          .answer({ userId, org }, { endpoint, tool })
          .catch((thrown: unknown) => {
            // Shut out everywhere since the list was read.
            if (asGatehouseError(thrown).row.http === 404 || asGatehouseError(thrown).row.http >= 500) throw thrown;
            return { answer: 'grant' as const, by: [], policies: [] };
          });
        items.push({
          ...{ user: userId, email: email ?? null, name: name ?? null },
          ...{ answer: found.answer, by: [...found.by], policies: [...found.policies] },
        });
      }
      return { items, next };
    },
  };
}

/** It is not the caller's own token that is no good. */
function refuseShutOut(thrown: unknown): never {
  if (asGatehouseError(thrown).code !== 'invalid_token') throw thrown;
  throw new GatehouseError('not_found', { message: 'This person cannot sign in here: they may use nothing' });
}
