/** A user as the wire has it (RFC 7643 4.1) and as it is kept. */
import type { ScimMember } from '#records/scim-groups.ts';
import type { NewScimUser, ScimUser } from '#records/scim-users.ts';
import { enterpriseUrn, keptAttributes, userUrn } from './documents.ts';
import { isResource, type Resource } from './filter.ts';
import { badSyntax, badValue } from './scim-error.ts';

const maxBytes = 60_000;

/** Throws ScimError. What isn't known is left out, passwords among it. */
export function parseUser(body: unknown): NewScimUser {
  if (!isResource(body)) throw badSyntax('The body must be a JSON object');
  const given = new Map(Object.entries(body).map(([name, value]) => [name.toLowerCase(), value]));
  const resource: Record<string, unknown> = {};
  for (const [key, name] of keptAttributes) {
    const value = given.get(key);
    if (value !== undefined && value !== null && !isEmptyList(value)) resource[name] = value;
  }
  if (Array.isArray(resource.roles)) resource.roles = resource.roles.map(asRole);
  if (JSON.stringify(resource).length > maxBytes) throw badValue('The user has more attributes than are kept');
  const userName = given.get('username');
  if (typeof userName !== 'string' || userName.trim() === '' || userName.length > 512)
    throw badValue('userName is required: a text of at most 512 characters');
  return {
    userName: userName.trim(),
    externalId: parseExternalId(given.get('externalid')),
    active: parseActive(given.get('active')),
    resource,
    roles: rolesOf(resource.roles),
    email: emailOf(resource.emails) ?? (userName.includes('@') ? userName.trim() : undefined),
    name: nameOf(resource),
  };
}

const isEmptyList = (value: unknown) => Array.isArray(value) && value.length === 0;

export function parseExternalId(value: unknown): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > 512) throw badValue('externalId is a text of at most 512 characters');
  return value;
}

/** Entra writes its booleans as text. */
function parseActive(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  const text = String(value).toLowerCase();
  if (text !== 'true' && text !== 'false') throw badValue('active is true or false');
  return text === 'true';
}

/** Entra sends a role as an object in a text, as a text, or as the object that it should be. */
function asRole(value: unknown): unknown {
  if (typeof value !== 'string') return value;
  if (!value.startsWith('{')) return { value };
  try {
    const parsed: unknown = JSON.parse(value);
    return isResource(parsed) ? { value: parsed.value ?? parsed.displayName, primary: parsed.primary } : { value };
  } catch {
    return { value };
  }
}

function rolesOf(value: unknown): readonly string[] {
  const items = Array.isArray(value) ? value : [];
  const roles = items.flatMap((item) => (isResource(item) && typeof item.value === 'string' ? [item.value] : []));
  return [...new Set(roles.filter((role) => role !== '' && role.length <= 256))];
}

function emailOf(value: unknown): string | undefined {
  const items = Array.isArray(value) ? value.filter(isResource) : [];
  const best =
    items.find((item) => String(item.primary).toLowerCase() === 'true') ??
    items.find((item) => item.type === 'work') ??
    items[0];
  const email = best?.value;
  return typeof email === 'string' && email !== '' && email.length <= 320 ? email : undefined;
}

function nameOf({ displayName, name }: Resource): string | undefined {
  const parts = isResource(name) ? name : {};
  const joined = [parts.givenName, parts.familyName]
    .filter((part) => typeof part === 'string' && part !== '')
    .join(' ');
  const text = [displayName, parts.formatted, joined].find((one) => typeof one === 'string' && one !== '');
  return typeof text === 'string' ? text.slice(0, 512) : undefined;
}

/** What PATCH works on: all that a client may write. */
export const writable = ({ userName, externalId, active, resource }: ScimUser): Record<string, unknown> => ({
  ...structuredClone(resource),
  userName,
  active,
  ...(externalId !== undefined && { externalId }),
});

export function userResource(user: ScimUser, base: string, groups: readonly ScimMember[] = []): Resource {
  const extended = user.resource[enterpriseUrn] !== undefined;
  return {
    schemas: [userUrn, ...(extended ? [enterpriseUrn] : [])],
    id: user.id,
    ...(user.externalId !== undefined && { externalId: user.externalId }),
    userName: user.userName,
    active: user.active,
    ...user.resource,
    groups: groups.map(({ group, groupName }) => ({
      value: group,
      display: groupName,
      $ref: `${base}/Groups/${group}`,
      type: 'direct',
    })),
    meta: {
      resourceType: 'User',
      created: user.createdAt.toISOString(),
      lastModified: user.updatedAt.toISOString(),
      location: `${base}/Users/${user.id}`,
    },
  };
}
