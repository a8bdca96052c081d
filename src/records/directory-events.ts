/**
 * What webhooks tell, in one transaction with the note that it was told: an event is done before it is acknowledged, or not at
 * all and sent again. Each is done once, and an older state never replaces a newer one, in whatever order they come.
 */
import { sql } from 'kysely';
import type { DirectoryChange, DirectoryEvent } from '#adapters/identity/identity.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import { reservedSegments } from '#core/reserved.ts';
import type { PlatformScope } from '#db/scope.ts';
import { findOrganization, insertOrganization } from './organizations.ts';
import {
  addScimMembers,
  insertScimGroups,
  lockScimGroup,
  removeScimGroup,
  removeScimMembers,
  updateScimGroup,
} from './scim-groups.ts';
import { directoryWords, linkScimUsers } from './scim-links.ts';
import { insertScimUsers, lockScimUser, removeScimUser, updateScimUser } from './scim-users.ts';
import { endSignIns, findIdentityUser, scimSource, setUserActive, type User, upsertIdentity } from './users.ts';

export interface DirectorySource {
  /** The identity provider's name and kind. */
  readonly name: string;
  readonly kind: string;
  /** The one that it is bound to. */
  readonly organization?: string;
}

export type EventOutcome = 'done' | 'duplicate' | 'outdated' | 'ignored';

const keptDays = 90;
/** What may come back under the same id. Others are gone for good. */
const returning: ReadonlySet<DirectoryChange['kind']> = new Set(['membership', 'group-member']);

export async function applyDirectoryEvent(
  scope: PlatformScope,
  source: DirectorySource,
  { event, nowMs }: { readonly event: DirectoryEvent; readonly nowMs: number },
): Promise<EventOutcome> {
  const { tx } = scope;
  const { id, type, change } = event;
  const state = change === undefined ? 'ignored' : 'done';
  const fresh = await tx
    .insertInto('webhook_events')
    .values({ identity_provider: source.name, id, type, state })
    .onConflict((conflict) => conflict.doNothing())
    .returning('id')
    .executeTakeFirst();
  if (!fresh) return 'duplicate';
  if (!change) return 'ignored';
  const outcome = (await isNews(scope, source, event)) ? await apply(scope, source, { change, nowMs }) : 'outdated';
  if (outcome !== 'done')
    await tx
      .updateTable('webhook_events')
      .set({ state: outcome })
      .where('identity_provider', '=', source.name)
      .where('id', '=', id)
      .execute();
  return outcome;
}

/** Sent again no more: the note of them is thrown away. */
export async function removeOldEvents({ tx }: PlatformScope, nowMs: number): Promise<void> {
  await tx
    .deleteFrom('webhook_events')
    .where('received_at', '<', new Date(nowMs - keptDays * 86_400_000))
    .execute();
}

/** Holds the thing until the end of the transaction: two events of it are done one after the other. */
async function isNews(
  { tx }: PlatformScope,
  source: DirectorySource,
  { at, change }: DirectoryEvent,
): Promise<boolean> {
  if (!change) return false;
  const { kind, id, removed } = change;
  const returns = returning.has(kind);
  const row = await tx
    .insertInto('directory_objects')
    .values({ identity_provider: source.name, kind, id, updated_at: new Date(at), removed })
    .onConflict((conflict) =>
      conflict
        .columns(['identity_provider', 'kind', 'id'])
        .doUpdateSet({ updated_at: (is) => is.ref('excluded.updated_at'), removed })
        .where(
          sql<boolean>`(directory_objects.updated_at <= excluded.updated_at or (excluded.removed and not ${returns}::boolean))
            and (${returns}::boolean or not directory_objects.removed)`,
        ),
    )
    .returning('id')
    .executeTakeFirst();
  return row !== undefined;
}

interface Work {
  readonly change: DirectoryChange;
  readonly nowMs: number;
}

async function apply(
  scope: PlatformScope,
  source: DirectorySource,
  { change, nowMs }: Work,
): Promise<'done' | 'ignored'> {
  if (change.kind === 'user') return applyUser(scope, source, { change, nowMs });
  if (change.kind === 'organization') return applyOrganization(scope, change);
  const organization = await findOrganization(scope, change.organization);
  if (organization?.externalId !== change.organization) return 'ignored';
  const org = organization.id;
  if (change.kind === 'membership') return applyMembership(scope, source, { change, org, nowMs });
  if (change.kind === 'person') return applyPerson(scope, org, change);
  if (change.kind === 'group') return applyGroup(scope, org, change);
  return applyGroupMember(scope, source, { change, org });
}

type Of<Kind extends DirectoryChange['kind']> = Extract<DirectoryChange, { readonly kind: Kind }>;

/** Every replica drops what it keeps of them, and judges what they have open. */
async function announceIdentity({ tx }: PlatformScope, { name }: DirectorySource, subject: string): Promise<void> {
  await sql`select gateway.announce_identity(${name}, ${subject})`.execute(tx);
}

async function applyUser(
  scope: PlatformScope,
  source: DirectorySource,
  { change, nowMs }: { readonly change: Of<'user'>; readonly nowMs: number },
): Promise<'done'> {
  const { id: subject, removed, active, email, emailVerified, name, username } = change;
  const identity = { provider: source.name, subject };
  await announceIdentity(scope, source, subject);
  if (removed) {
    const user = await findIdentityUser(scope, identity);
    if (user) await shutOut(scope, source, { user, subject, nowMs, removed });
    return 'done';
  }
  const { organization } = source;
  const seen = { ...identity, email, emailVerified, organization, name, username, heardOf: true } as const;
  const user = await upsertIdentity(scope, seen, nowMs);
  const words = directoryWords({ kind: source.kind, subject, email, emailVerified, username, isOwn: false });
  await linkScimUsers(scope, { userId: user.id, words, orgs: await organizationsSaid(scope, source, user) });
  if (!active) await shutOut(scope, source, { user, subject, nowMs, removed });
  else await letIn(scope, source, user);
  return 'done';
}

/** Where this very identity provider says that they belong: only there do its words find anybody. */
async function organizationsSaid(
  { tx }: PlatformScope,
  { name }: DirectorySource,
  { id }: User,
): Promise<readonly OrgId[]> {
  const rows = await tx
    .selectFrom('members')
    .select('org_id')
    .where('user_id', '=', id)
    .where('identity_provider', '=', name)
    .execute();
  return rows.map((row) => asOrgId(row.org_id));
}

/** Whoever has another way in keeps that one, and is signed out. */
async function shutOut(
  scope: PlatformScope,
  { name }: DirectorySource,
  { user, subject, nowMs, removed }: { user: User; subject: string; nowMs: number; removed: boolean },
): Promise<void> {
  const { tx } = scope;
  if (removed)
    await tx.deleteFrom('members').where('user_id', '=', user.id).where('identity_provider', '=', name).execute();
  const { rows } = await sql<{ other: boolean }>`select (
    exists (select from gateway.identities where user_id = ${user.id} and (identity_provider, subject) <> (${name}, ${subject}))
    or exists (select from gateway.local_accounts where user_id = ${user.id})) as other`.execute(tx);
  const { other } = rows[0] ?? { other: false };
  if (!other && user.active) await setUserActive(scope, { userId: user.id, active: false, nowMs, by: name });
  await endSignIns(scope, user.id, nowMs);
  if (removed && other)
    await tx.deleteFrom('identities').where('identity_provider', '=', name).where('subject', '=', subject).execute();
}

/** Only who was shut out by the same word. */
async function letIn({ tx }: PlatformScope, { name }: DirectorySource, { id }: User): Promise<void> {
  await tx
    .updateTable('users')
    .set({ deactivated_at: null, deactivated_by: null })
    .where('id', '=', id)
    .where('deactivated_by', '=', name)
    .execute();
}

async function applyOrganization(
  scope: PlatformScope,
  { id, removed, name, slug }: Of<'organization'>,
): Promise<'done' | 'ignored'> {
  const { tx } = scope;
  const known = await tx
    .selectFrom('organizations')
    .select(['id', 'deleted_at'])
    .where('external_id', '=', id)
    .executeTakeFirst();
  if (known) {
    if (known.deleted_at) return 'ignored';
    await tx
      .updateTable('organizations')
      .set(removed ? { deleted_at: new Date() } : { ...(name !== undefined && { name }), updated_at: new Date() })
      .where('id', '=', known.id)
      .execute();
    return 'done';
  }
  if (removed) return 'ignored';
  const plain = (slug ?? name ?? '')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 50);
  const own = id
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63);
  const isFree = plain !== '' && !reservedSegments.has(plain) && !(await findTaken(scope, plain));
  await insertOrganization(scope, { slug: isFree ? plain : own, externalId: id, name: name ?? id });
  return 'done';
}

async function findTaken({ tx }: PlatformScope, name: string): Promise<boolean> {
  const row = await tx
    .selectFrom('organizations')
    .select('id')
    .where((is) => is.or([is('slug', '=', name), is('external_id', '=', name)]))
    .executeTakeFirst();
  return row !== undefined;
}

async function applyMembership(
  scope: PlatformScope,
  source: DirectorySource,
  { change, org, nowMs }: { readonly change: Of<'membership'>; readonly org: OrgId; readonly nowMs: number },
): Promise<'done'> {
  const { user: subject, removed, active, roles } = change;
  const { tx } = scope;
  const identity = { provider: source.name, subject };
  const known = await findIdentityUser(scope, identity);
  if (removed) {
    if (known)
      await tx
        .deleteFrom('members')
        .where('org_id', '=', org)
        .where('user_id', '=', known.id)
        .where('identity_provider', '=', source.name)
        .execute();
  } else {
    const user = known ?? (await upsertIdentity(scope, { ...identity, heardOf: true }, nowMs));
    const values = { roles: JSON.stringify(roles), active };
    const { email, emailVerified, username } = user;
    const words = directoryWords({ kind: source.kind, subject, email, emailVerified, username, isOwn: true });
    await linkScimUsers(scope, { userId: user.id, words, orgs: [org] });
    await tx
      .insertInto('members')
      .values({ org_id: org, user_id: user.id, identity_provider: source.name, ...values })
      .onConflict((conflict) =>
        conflict
          .columns(['org_id', 'user_id'])
          .doUpdateSet({ ...values, updated_at: sql<Date>`now()` })
          .where('members.identity_provider', '=', source.name),
      )
      .execute();
  }
  await announceIdentity(scope, source, subject);
  return 'done';
}

async function findPerson({ tx }: PlatformScope, org: OrgId, externalId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('scim_users')
    .select('id')
    .where('org_id', '=', org)
    .where('external_id', '=', externalId)
    .where('removed_at', 'is', null)
    .executeTakeFirst();
  return row?.id;
}

async function applyPerson(scope: PlatformScope, org: OrgId, change: Of<'person'>): Promise<'done'> {
  const { id: externalId, removed, active, email, name, username } = change;
  const id = await findPerson(scope, org, externalId);
  if (removed) {
    if (id !== undefined) await removeScimUser(scope, org, id);
    return 'done';
  }
  const resource = {
    ...(name !== undefined && { displayName: name }),
    ...(email !== undefined && { emails: [{ value: email, type: 'work', primary: true }] }),
  };
  const after = { userName: username ?? email ?? externalId, externalId, active, resource, roles: [], email, name };
  if (id === undefined) await insertScimUsers(scope, org, [after]);
  else await updateScimUser(scope, { org, before: await lockScimUser(scope, org, id), after });
  return 'done';
}

async function findGroup({ tx }: PlatformScope, org: OrgId, externalId: string): Promise<string | undefined> {
  const row = await tx
    .selectFrom('groups')
    .select('id')
    .where('org_id', '=', org)
    .where('external_id', '=', externalId)
    .where('managed_by', '=', scimSource)
    .executeTakeFirst();
  return row?.id;
}

async function applyGroup(
  scope: PlatformScope,
  org: OrgId,
  { id: externalId, removed, name }: Of<'group'>,
): Promise<'done'> {
  const id = await findGroup(scope, org, externalId);
  if (removed) {
    if (id !== undefined) await removeScimGroup(scope, org, id);
  } else if (id === undefined) await insertScimGroups(scope, org, [{ displayName: name, externalId }]);
  else
    await updateScimGroup(scope, {
      org,
      before: await lockScimGroup(scope, org, id),
      after: { displayName: name, externalId },
    });
  return 'done';
}

async function isGone({ tx }: PlatformScope, { name }: DirectorySource, kind: string, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('directory_objects')
    .select('removed')
    .where('identity_provider', '=', name)
    .where('kind', '=', kind)
    .where('id', '=', id)
    .executeTakeFirst();
  return row?.removed ?? false;
}

async function applyGroupMember(
  scope: PlatformScope,
  source: DirectorySource,
  { change, org }: { readonly change: Of<'group-member'>; readonly org: OrgId },
): Promise<'done' | 'ignored'> {
  const { groupName: name, who, removed } = change;
  if (
    !removed &&
    !(await findPerson(scope, org, change.person)) &&
    !(await isGone(scope, source, 'person', change.person))
  )
    await applyPerson(scope, org, {
      kind: 'person',
      id: change.person,
      organization: change.organization,
      removed,
      ...who,
    });
  if (!removed && !(await findGroup(scope, org, change.group)) && !(await isGone(scope, source, 'group', change.group)))
    await applyGroup(scope, org, { kind: 'group', id: change.group, organization: change.organization, removed, name });
  const group = await findGroup(scope, org, change.group);
  const person = await findPerson(scope, org, change.person);
  if (group === undefined || person === undefined) return 'ignored';
  await (change.removed ? removeScimMembers : addScimMembers)(scope, { org, group, members: [person] });
  return 'done';
}
