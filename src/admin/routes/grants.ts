import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { type GrantNoun, oneOf } from '#admin/people-nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { findCollection } from '#records/collections.ts';
import { type GrantRow, type GrantTarget, listGrants, putGrant, removeGrant } from '#records/grants.ts';
import { getGroup } from '#records/groups.ts';
import { findServer } from '#records/servers.ts';
import { findRef } from './groups.ts';

const to = oneOf(['group', 'user', 'email', 'serviceAccount']);
const of = oneOf(['server', 'collection']);

export function grantHandlers({ records }: AdminDeps): Pick<Handlers, 'listGrants' | 'putGrant' | 'removeGrant'> {
  return {
    async listGrants({ organization: ref, group, server, user, collection }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const rows = await records.within(organization.id, listGrants);
      const wanted = rows.filter(
        (row) =>
          (group === undefined || row.group?.toLowerCase() === group.toLowerCase()) &&
          (server === undefined || row.server === server) &&
          (collection === undefined || row.collection === collection) &&
          (user === undefined || row.userId === user.toLowerCase()),
      );
      return { items: wanted.map((row) => shownGrant(row, organization)) };
    },
    async putGrant({ organization: ref, group, tools, server, collection, ...grantee }, actor) {
      const organization = await getOrganization(records, actor, ref);
      for (const [rule, given] of [[to, { group, ...grantee }] as const, [of, { server, collection }] as const]) {
        if (!rule.check(given)) throw new GatehouseError('bad_request', { message: `The request ${rule.error}` });
      }
      if (tools && server === undefined)
        throw new GatehouseError('bad_request', { message: 'Tools are of a server: grant that one' });
      const finding = { organization, actor, isAdding: true };
      const who = group === undefined ? await findRef(records, finding, grantee) : undefined;
      const row = await records.within(organization.id, async (scope) => {
        const grantedTo = who ?? { groupId: (await getGroup(scope, group ?? '')).id };
        return putGrant(scope, { to: grantedTo, of: await findTarget(scope, { server, collection }), tools });
      });
      return shownGrant(row, organization);
    },
    async removeGrant({ organization: ref, id }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return shownGrant(await records.within(organization.id, (scope) => removeGrant(scope, id)), organization);
    },
  };
}

/** Throws `not_found`, the same for nothing and for another organization's. */
export async function findTarget(
  scope: OrganizationScope,
  { server, collection }: { readonly server: string | undefined; readonly collection: string | undefined },
): Promise<GrantTarget> {
  if (collection !== undefined) {
    const found = await findCollection(scope, collection);
    if (found) return { collectionId: found.id };
    throw new GatehouseError('not_found', {
      message: 'There is no such collection: list them with `gatehouse collection list`',
    });
  }
  const found = await findServer(scope, server ?? '');
  if (found) return { serverId: found.id };
  throw new GatehouseError('not_found', {
    message: 'There is no such server for this organization: list them with `gatehouse server list --org`',
  });
}

export function shownGrant(
  { id, group, userId, email, server, collection, tools, managedBy }: GrantRow,
  { slug }: OrganizationRow,
): GrantNoun {
  return {
    id,
    organization: slug,
    group: group ?? null,
    user: userId ?? null,
    email: email ?? null,
    server: server ?? null,
    collection: collection ?? null,
    tools: tools ? [...tools] : null,
    managedBy,
  };
}
