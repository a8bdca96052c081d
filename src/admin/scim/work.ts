/** What the requests do. Writing takes the transaction that it belongs to: one request's own, or that of all of a bulk. */
import { checkHandedOn } from '#admin/actor.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { ApiKeyPrincipal } from '#core/principal.ts';
import { asStorageError } from '#db/errors.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, type PlatformScope, withOrganization } from '#db/scope.ts';
import {
  addScimMembers,
  countScimGroups,
  findScimIds,
  insertScimGroups,
  insertScimMembers,
  listScimGroups,
  listScimMembers,
  lockScimGroup,
  removeScimGroup,
  removeScimMembers,
  type ScimGroup,
  type ScimMember,
  setScimMembers,
  updateScimGroup,
} from '#records/scim-groups.ts';
import {
  countScimUsers,
  insertScimUsers,
  listScimUsers,
  lockScimUser,
  type NewScimUser,
  removeScimUser,
  type ScimUser,
  updateScimUser,
} from '#records/scim-users.ts';
import { groupUrn, limits, listOf } from './documents.ts';
import { isResource, type ParsedFilter, parseFilter, type Resource } from './filter.ts';
import { memberIds, parseGroupPatch, patchUser, textOf } from './patch.ts';
import { type Projection, projectionOf } from './projection.ts';
import { badSyntax, badValue, notThere, ScimError, taken } from './scim-error.ts';
import { parseExternalId, parseUser, userResource, writable } from './user-resource.ts';

export type Kind = 'Users' | 'Groups';
export type Query = Readonly<Record<string, unknown>>;

export interface Directory {
  readonly db: Db;
  readonly org: OrgId;
  /** Of the caller: it gives no roles away that it hasn't. */
  readonly key: ApiKeyPrincipal;
  /** `…/scim/v2`, absolute. */
  readonly base: string;
}

/** Ours and the database's refusals, in SCIM's words. */
export function asScimError(thrown: unknown): ScimError {
  if (thrown instanceof ScimError) return thrown;
  const error = asGatehouseError(thrown instanceof GatehouseError ? thrown : asStorageError(thrown));
  if (error.code === 'conflict') return taken('Something with this name is there already');
  return new ScimError(error.row.http, error.message);
}

const isMissing = (thrown: unknown) => thrown instanceof GatehouseError && thrown.code === 'not_found';

async function orMissing<T>(work: Promise<T>, error: ScimError): Promise<T> {
  try {
    return await work;
  } catch (thrown) {
    throw isMissing(thrown) ? error : thrown;
  }
}

export function parseNewUser({ key }: Directory, body: unknown): NewScimUser {
  const user = parseUser(body);
  checkHandedOn({ kind: 'key', principal: key }, user.roles);
  return user;
}

/** Several at once, as a bulk has them. */
export async function createUsers(scope: PlatformScope, directory: Directory, users: readonly NewScimUser[]) {
  const made = await insertScimUsers(scope, directory.org, users);
  return made.map((user, at) => user ?? taken(`There is a user named ${users[at]?.userName} already`));
}

export async function create(
  scope: PlatformScope,
  directory: Directory,
  { kind, body }: { kind: Kind; body: unknown },
): Promise<string> {
  if (kind === 'Users') {
    const [made] = await createUsers(scope, directory, [parseNewUser(directory, body)]);
    if (!made || made instanceof ScimError) throw made ?? badValue('Not made');
    return made.id;
  }
  const [made] = await createGroups(scope, directory, [parseGroup(body)]);
  if (!made || made instanceof ScimError) throw made ?? badValue('Not made');
  return made.id;
}

/** Several at once, as a bulk has them. */
export async function createGroups(scope: PlatformScope, { org }: Directory, groups: readonly ParsedGroup[]) {
  const known = await findScimIds(
    scope,
    org,
    groups.flatMap(({ members }) => members),
  );
  const isGood = ({ members }: ParsedGroup) => members.every((id) => known.has(id.toLowerCase()));
  const good = groups.filter(isGood);
  const made = good.length === 0 ? [] : await insertScimGroups(scope, org, good);
  const pairs = made.flatMap((group, at) =>
    group ? (good[at]?.members ?? []).map((member) => ({ group: group.id, member })) : [],
  );
  await insertScimMembers(scope, org, pairs);
  const results = new Map(good.map((group, at) => [group, made[at]]));
  return groups.map((group) => {
    if (!isGood(group)) return badValue('A member is no user of this directory');
    return results.get(group) ?? taken('There is a group with this externalId already');
  });
}

export type ParsedGroup = ReturnType<typeof parseGroup>;

/** Throws ScimError. */
export function parseGroup(body: unknown) {
  if (!isResource(body)) throw badSyntax('The body must be a JSON object');
  const given = new Map(Object.entries(body).map(([name, value]) => [name.toLowerCase(), value]));
  return {
    displayName: textOf(given.get('displayname'), 'displayName'),
    externalId: parseExternalId(given.get('externalid')),
    members: memberIds(given.get('members')),
  };
}

interface MemberChanges {
  readonly group: string;
  readonly changes: ReturnType<typeof parseGroupPatch>['members'];
}

const membersWork = { add: addScimMembers, remove: removeScimMembers, set: setScimMembers };

async function putMembers(scope: PlatformScope, { org }: Directory, { group, changes }: MemberChanges): Promise<void> {
  for (const { how, ids } of changes)
    await orMissing(
      membersWork[how](scope, { org, group, members: ids }),
      badValue('A member is no user of this directory'),
    );
}

export interface Named {
  readonly kind: Kind;
  readonly id: string;
}

export async function replace(
  scope: PlatformScope,
  directory: Directory,
  { kind, id, body }: Named & { body: unknown },
): Promise<void> {
  const { org } = directory;
  if (kind === 'Users') {
    const before = await orMissing(lockScimUser(scope, org, id), notThere('user'));
    // RFC 7644 3.5.1: what isn't said is as it would be in a new one; of `active` we know better than to bring somebody back.
    const said = isResource(body) && Object.keys(body).some((name) => name.toLowerCase() === 'active');
    const after = parseNewUser(directory, isResource(body) && !said ? { ...body, active: before.active } : body);
    await updateScimUser(scope, { org, before, after });
    return;
  }
  const before = await orMissing(lockScimGroup(scope, org, id), notThere('group'));
  const { members, ...after } = parseGroup(body);
  await updateScimGroup(scope, { org, before, after });
  await putMembers(scope, directory, { group: before.id, changes: [{ how: 'set', ids: members }] });
}

export async function patch(
  scope: PlatformScope,
  directory: Directory,
  { kind, id, body }: Named & { body: unknown },
): Promise<void> {
  const { org } = directory;
  if (kind === 'Users') {
    const before = await orMissing(lockScimUser(scope, org, id), notThere('user'));
    const after = parseNewUser(directory, patchUser(writable(before), body));
    await updateScimUser(scope, { org, before, after });
    return;
  }
  const { members, ...names } = parseGroupPatch(body);
  const before = await orMissing(lockScimGroup(scope, org, id), notThere('group'));
  const after = {
    displayName: names.displayName ?? before.displayName,
    externalId: names.externalId === undefined ? before.externalId : (names.externalId ?? undefined),
  };
  await updateScimGroup(scope, { org, before, after });
  await putMembers(scope, directory, { group: before.id, changes: members });
}

export async function remove(scope: PlatformScope, { org }: Directory, { kind, id }: Named): Promise<void> {
  if (kind === 'Users') await orMissing(removeScimUser(scope, org, id), notThere('user'));
  else await orMissing(removeScimGroup(scope, org, id), notThere('group'));
}

export function get(directory: Directory, { kind, id }: Named, query: Query): Promise<Resource> {
  return withOrganization(directory.db, directory.org, async (scope) => {
    const projection = projectionOf(query);
    const [found] = await page(scope, directory, { kind, where: { id }, offset: 0, limit: 1, projection });
    if (!found) throw notThere(kind === 'Users' ? 'user' : 'group');
    return projection.of(found);
  });
}

interface Page {
  readonly kind: Kind;
  readonly where: {
    readonly id?: string | undefined;
    readonly name?: string | undefined;
    readonly externalId?: string | undefined;
  };
  readonly offset: number;
  readonly limit: number;
  readonly projection: Pick<Projection, 'shows'>;
}

async function page(scope: OrganizationScope, { base }: Directory, asked: Page): Promise<readonly Resource[]> {
  const { kind, where, offset, limit, projection } = asked;
  const { id, name, externalId } = where;
  if (kind === 'Users') {
    const users = await listScimUsers(scope, { id, userName: name, externalId, offset, limit });
    const groups = projection.shows('groups')
      ? await listScimMembers(scope, { users: users.map((user) => user.id) })
      : [];
    const byUser = Map.groupBy(groups, ({ user }) => user);
    return users.map((user: ScimUser) => userResource(user, base, byUser.get(user.id)));
  }
  const groups = await listScimGroups(scope, { id, displayName: name, externalId, offset, limit });
  const members = projection.shows('members')
    ? await listScimMembers(scope, { groups: groups.map((group) => group.id) })
    : [];
  const byGroup = Map.groupBy(members, ({ group }) => group);
  return groups.map((group) => groupResource(group, base, byGroup.get(group.id)));
}

const groupResource = (group: ScimGroup, base: string, members: readonly ScimMember[] = []): Resource => ({
  schemas: [groupUrn],
  id: group.id,
  ...(group.externalId !== undefined && { externalId: group.externalId }),
  displayName: group.displayName,
  members: members.map(({ user, userName }) => ({
    value: user,
    display: userName,
    $ref: `${base}/Users/${user}`,
    type: 'User',
  })),
  meta: {
    resourceType: 'Group',
    created: group.createdAt.toISOString(),
    lastModified: group.updatedAt.toISOString(),
    location: `${base}/Groups/${group.id}`,
  },
});

const scanSize = 1000;

/** With a filter that no index knows, all are looked at, a thousand at a time. */
export function list(directory: Directory, kind: Kind, query: Query): Promise<object> {
  const startIndex = Math.max(1, whole(query.startIndex, 1));
  const count = Math.min(Math.max(0, whole(query.count, 100)), limits.results);
  const projection = projectionOf(query);
  const filter = typeof query.filter === 'string' && query.filter.trim() !== '' ? parseFilter(query.filter) : undefined;
  return withOrganization(directory.db, directory.org, async (scope) => {
    const where = indexed(kind, filter);
    const offset = startIndex - 1;
    const found = filter
      ? await scan(scope, directory, { kind, where, filter, offset, limit: count })
      : {
          total: await (kind === 'Users' ? countScimUsers(scope, {}) : countScimGroups(scope, {})),
          resources: count === 0 ? [] : await page(scope, directory, { kind, where, offset, limit: count, projection }),
        };
    return listOf(found.resources.map(projection.of), { total: found.total, startIndex });
  });
}

function whole(value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  const number = Number(value);
  if (!Number.isInteger(number)) throw badValue('startIndex and count are whole numbers');
  return Math.min(number, 1_000_000);
}

function indexed(kind: Kind, filter: ParsedFilter | undefined): Page['where'] {
  const name = filter?.equal.get(kind === 'Users' ? 'username' : 'displayname');
  return { id: filter?.equal.get('id'), name, externalId: filter?.equal.get('externalid') };
}

async function scan(
  scope: OrganizationScope,
  directory: Directory,
  { filter, offset, limit, ...asked }: Omit<Page, 'projection'> & { readonly filter: ParsedFilter },
) {
  const resources: Resource[] = [];
  let total = 0;
  for (let at = 0; ; at += scanSize) {
    const batch = await page(scope, directory, {
      ...asked,
      offset: at,
      limit: scanSize,
      projection: { shows: () => true },
    });
    for (const resource of batch.filter(filter.matches)) {
      if (total >= offset && resources.length < limit) resources.push(resource);
      total++;
    }
    if (batch.length < scanSize) return { total, resources };
  }
}
