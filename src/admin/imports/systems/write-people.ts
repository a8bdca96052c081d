/** Groups with their members, what people are granted, and whom identity providers know. */
import { findTarget } from '#admin/routes/grants.ts';
import type { OrganizationScope } from '#db/scope.ts';
import { listGrants, putGrant } from '#records/grants.ts';
import { findGroup, insertGroup, insertGroupMember, listGroupMembers } from '#records/groups.ts';
import { ensureMember, findIdentityUser, listMemberships, upsertIdentity } from '#records/users.ts';
import type { Found, FoundGroup, FoundMember } from './found.ts';
import type { Writing } from './write.ts';

export async function writeGroups(writing: Writing, groups: readonly FoundGroup[]): Promise<void> {
  for (const wanted of groups) {
    const organization = writing.organization(wanted.organization);
    const { records } = writing;
    const found = await records.within(organization.id, (scope) => findGroup(scope, wanted.name));
    const label = `${organization.slug}/${found?.name ?? wanted.name}`;
    const people = found ? await records.asPlatform((scope) => listGroupMembers(scope, found.id)) : [];
    // Somebody who has signed in is there by row, with the address that it shows.
    const known = new Set(people.flatMap(({ email, label: shown }) => [email, shown?.toLowerCase()]));
    const added = wanted.members.filter((email) => !known.has(email));
    await records.within(organization.id, async (scope) => {
      const { name, title, externalId } = wanted;
      const group = found ?? (await insertGroup(scope, { name, title, externalId }));
      if (!found) writing.made.push(`group ${label}`);
      for (const email of added) await insertGroupMember(scope, group.id, { ref: { email }, source: undefined });
      writing.made.push(...added.map((email) => `member of group ${label}: ${email}`));
      await grantAll(scope, { writing, group: { id: group.id, name: group.name, label }, servers: wanted.servers });
    });
  }
}

interface GrantingAll {
  readonly writing: Writing;
  readonly group: { readonly id: string; readonly name: string; readonly label: string };
  readonly servers: readonly string[];
}

async function grantAll(scope: OrganizationScope, { writing, group, servers }: GrantingAll): Promise<void> {
  const before = (await listGrants(scope)).filter((row) => row.group === group.name);
  for (const server of servers) {
    const found = before.find((row) => row.server === server);
    const what = `grant to group ${group.label}: ${server}`;
    if (found?.tools) writing.kept.push({ what, reason: 'here it is of some of its tools' });
    if (found) continue;
    await putGrant(scope, {
      to: { groupId: group.id },
      of: await findTarget(scope, { server, collection: undefined }),
    });
    writing.made.push(what);
  }
}

export async function writeGrants(writing: Writing, grants: Found['grants']): Promise<void> {
  const byOrganization = Map.groupBy(grants, ({ organization }) => organization);
  for (const [ref, wanted] of byOrganization) {
    const organization = writing.organization(ref);
    await writing.records.within(organization.id, async (scope) => {
      const before = new Map((await listGrants(scope)).map((row) => [`${row.email} ${row.server}`, row]));
      for (const { email, server } of wanted) {
        const what = `grant ${organization.slug}/${email}/${server}`;
        const found = before.get(`${email} ${server}`);
        if (found?.tools) writing.kept.push({ what, reason: 'here it is of some of its tools' });
        if (found) continue;
        await putGrant(scope, { to: { email }, of: await findTarget(scope, { server, collection: undefined }) });
        writing.made.push(what);
      }
    });
  }
}

/** Their address proves nothing until the identity provider says it at a sign-in. */
export async function writeMembers(writing: Writing, members: readonly FoundMember[]): Promise<void> {
  const { records, clock, made, kept } = writing;
  for (const { organization: ref, provider, subject, email, name, roles } of members) {
    const { id: org, slug } = writing.organization(ref);
    const what = `member ${slug}/${email ?? subject}`;
    await records.asPlatform(async (scope) => {
      const known = await findIdentityUser(scope, { provider, subject });
      const found = known && (await listMemberships(scope, known.id)).find((row) => row.org === org);
      if (found) {
        if ([...found.roles].sort().join() !== [...roles].sort().join())
          kept.push({ what, reason: `has other roles here: ${found.roles.join(', ') || 'none'}` });
        return;
      }
      const user =
        known ?? (await upsertIdentity(scope, { provider, subject, email, name, heardOf: true }, clock.now()));
      await ensureMember(scope, { userId: user.id, provider, org, roles, groups: [] });
      made.push(what);
    });
  }
}
