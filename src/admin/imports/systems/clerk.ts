/**
 * The Fastify gateway with Clerk and Prisma: organizations, servers, which are enabled for whom, and members (REQUIREMENTS
 * S4.8). Columns are read in both spellings that such schemas have (`clerkId`, `clerk_id`). What isn't enabled is nobody's.
 */
import { z } from 'zod';
import { organizationRef, slug, text } from '#admin/nouns.ts';
import { email } from '#admin/people-nouns.ts';
import { organizationOf } from '#admin/ragie.ts';
import { checkOrganizationName } from '#admin/routes/organizations.ts';
import {
  type Found,
  type FoundKey,
  type FoundMember,
  type FoundServer,
  type LeftOut,
  nothingFound,
  quoted,
  taken,
} from './found.ts';
import { resolveServers, type ServerPlaces } from './resolve-servers.ts';
import type { Row, SourceDatabase } from './source.ts';

export interface ClerkTarget extends ServerPlaces {
  /** Where its tables are. */
  readonly schema: string;
  readonly nowMs: number;
}

/** Each under the names that it may have. */
const tableNames = {
  organizations: ['organizations', 'Organization'],
  servers: ['mcp_servers', 'McpServer'],
  enabled: ['organization_services', 'OrganizationService'],
  users: ['users', 'User'],
  memberships: ['memberships', 'organization_memberships', 'Membership', 'OrganizationMembership'],
  keys: ['api_keys', 'ApiKey'],
} as const;

const id = z.union([z.string().min(1), z.number()]).transform(String);
const organization = z.object({ id, clerkId: organizationRef, name: text, slug: z.string() });
const server = z.object({
  id,
  serverKey: slug,
  name: text.nullish(),
  isActive: z.boolean(),
  url: z.string().max(2048).nullish(),
});
const enabled = z.object({ organizationId: id, serverId: id, enabled: z.boolean() });
const user = z.object({
  id,
  clerkId: z.string().regex(/^[!-~]{1,255}$/),
  email: z.string().nullish(),
  name: text.nullish(),
});
const membership = z.object({ userId: id, organizationId: id, role: z.string().regex(/^[a-z][a-z0-9:_-]{0,63}$/) });

const apiKey = z.object({
  id,
  organizationId: id.nullish(),
  name: text.nullish(),
  keyHash: z.string().regex(/^[0-9a-f]{64}$/, 'is no SHA-256 in hexadecimal digits'),
  scopes: z.array(z.string()).nullish(),
  expiresAt: z.date().nullish(),
  revokedAt: z.date().nullish(),
  isActive: z.boolean().nullish(),
});

/** The identity provider's name where its variables are all that is said of it. */
const provider = 'clerk';

type Shape = Readonly<Record<string, readonly string[]>>;

/** Columns under their one name; the first of its spellings that the row has. */
const columns = {
  organizations: { id: ['id'], clerkId: ['clerkId', 'clerk_id'], name: ['name'], slug: ['slug'] },
  servers: {
    ...{ id: ['id'], serverKey: ['serverKey', 'server_key'], name: ['displayName', 'display_name', 'name'] },
    ...{ isActive: ['isActive', 'is_active'], url: ['url', 'endpoint', 'baseUrl', 'base_url'] },
  },
  enabled: {
    organizationId: ['organizationId', 'organization_id'],
    serverId: ['serverId', 'mcpServerId', 'server_id', 'mcp_server_id'],
    enabled: ['enabled', 'isEnabled', 'is_enabled'],
  },
  users: { id: ['id'], clerkId: ['clerkId', 'clerk_id'], email: ['email'], name: ['name'] },
  memberships: {
    ...{ userId: ['userId', 'user_id'], organizationId: ['organizationId', 'organization_id'], role: ['role'] },
  },
  keys: {
    ...{ id: ['id'], organizationId: ['organizationId', 'organization_id'], name: ['name'], scopes: ['scopes'] },
    ...{ keyHash: ['keyHash', 'key_hash'], isActive: ['isActive', 'is_active'] },
    ...{ expiresAt: ['expiresAt', 'expires_at', 'expires'], revokedAt: ['revokedAt', 'revoked_at'] },
  },
} as const satisfies Readonly<Record<string, Shape>>;

export async function readClerk(source: SourceDatabase, { schema, ...places }: ClerkTarget): Promise<Found> {
  const leftOut: LeftOut[] = [];
  const tables = await source.tables(schema);
  const read = async <T>(noun: keyof typeof columns, of: z.ZodType<T>): Promise<readonly T[]> => {
    const table = tableNames[noun].find((name) => tables.has(name));
    if (table === undefined) return [];
    const alive = (await source.rows(schema, table)).filter((row) => isAlive(row, { table, leftOut }));
    const name = (row: Row) => `${table} ${quoted(labelOf(row))}`;
    return taken(
      alive.map((row) => named(row, columns[noun])),
      of,
      { name, leftOut },
    );
  };
  const organizations = await read('organizations', organization);
  const slugs = new Map(organizations.map((row) => [row.id, row.clerkId]));
  const servers = await read('servers', server);
  const { made, known, keys } = await serversOf(servers, { places, leftOut });
  const enablements = (await read('enabled', enabled)).flatMap((row) => {
    const [ref, key] = [slugs.get(row.organizationId), keys.get(row.serverId)];
    if (row.enabled && (ref === undefined || key === undefined)) {
      const reason = 'its organization or server is not there any more';
      leftOut.push({ what: `enabled for ${quoted(row.organizationId)}: ${quoted(row.serverId)}`, reason });
    }
    if (!row.enabled || ref === undefined || key === undefined || !known.has(key)) return [];
    return [{ organization: ref, server: key, allMembers: true }];
  });
  const people = await read('users', user);
  const members = membersOf(await read('memberships', membership), { people, slugs, leftOut });
  const apiKeys = keysOf(await read('keys', apiKey), { slugs, leftOut, nowMs: places.nowMs });
  await leaveOut(source, { schema, tables, leftOut });
  return {
    ...nothingFound,
    organizations: organizations.map((row) => organizationIn(row, leftOut)),
    servers: made,
    enablements,
    members,
    keys: apiKeys,
    leftOut,
  };
}

/** Soft deletes: gone for everybody already. */
function isAlive(row: Row, { table, leftOut }: { readonly table: string; readonly leftOut: LeftOut[] }): boolean {
  if ((row.deletedAt ?? row.deleted_at ?? null) === null) return true;
  leftOut.push({ what: `${table} ${quoted(labelOf(row))}`, reason: 'it was deleted there' });
  return false;
}

const labelOf = (row: Row): unknown =>
  row.slug ??
  row.serverKey ??
  row.server_key ??
  row.clerkId ??
  row.clerk_id ??
  row.email ??
  row.name ??
  row.id ??
  row.userId ??
  row.user_id ??
  '';

const named = (row: Row, shape: Shape): Row =>
  Object.fromEntries(
    Object.entries(shape).map(([name, spellings]) => [
      name,
      spellings.map((one) => row[one]).find((v) => v !== undefined),
    ]),
  );

/** A slug that is none here, or is reserved, makes room for one out of Clerk's id. */
function organizationIn(row: z.output<typeof organization>, leftOut: LeftOut[]): Found['organizations'][number] {
  const { clerkId: externalId, name } = row;
  try {
    if (!slug.safeParse(row.slug).success) throw new Error('it is no slug');
    checkOrganizationName(row.slug);
    return { slug: row.slug, name, externalId };
  } catch {
    const other = organizationOf(externalId).slug;
    leftOut.push({
      what: `slug ${quoted(row.slug)} of an organization`,
      reason: `it cannot be one here: it is ${other}`,
    });
    return { slug: other, name, externalId };
  }
}

async function serversOf(
  rows: readonly z.output<typeof server>[],
  { places, leftOut }: { readonly places: ServerPlaces; readonly leftOut: LeftOut[] },
) {
  const own: FoundServer[] = [];
  const rest: string[] = [];
  for (const { serverKey: key, name, isActive, url } of rows) {
    const stored = url ? await places.checkUrl(url).catch(() => undefined) : undefined;
    if (places.servers.has(key) || stored === undefined) rest.push(key);
    else own.push({ key, title: name ?? key, transport: { kind: 'http', url: stored }, active: isActive });
    if (url && stored === undefined)
      leftOut.push({
        what: `address of server ${key}`,
        reason: 'it cannot be used: the operator opens it with egress.allow',
      });
    if (!isActive && stored === undefined)
      leftOut.push({ what: `server ${key}`, reason: 'it is switched off there: nothing is enabled with it' });
  }
  const off = new Set(rows.filter(({ isActive }) => !isActive).map(({ serverKey }) => serverKey));
  const resolved = resolveServers(
    rest.filter((key) => !off.has(key)),
    { places, leftOut },
  );
  const known = new Set([...resolved.known.keys(), ...own.map(({ key }) => key)].filter((key) => !off.has(key)));
  return { made: [...own, ...resolved.servers], known, keys: new Map(rows.map((row) => [row.id, row.serverKey])) };
}

interface Belonging {
  readonly people: readonly z.output<typeof user>[];
  /** Organizations: their id there → Clerk's. */
  readonly slugs: ReadonlyMap<string, string>;
  readonly leftOut: LeftOut[];
}

/** In Clerk's own words, as it says them at every sign-in: an `admin` there is no administrator of this gateway. */
const roleOf = (role: string): string => (role.includes(':') ? role : `org:${role}`);

function membersOf(
  rows: readonly z.output<typeof membership>[],
  { people, slugs, leftOut }: Belonging,
): readonly FoundMember[] {
  const byId = new Map(people.map((person) => [person.id, person]));
  return rows.flatMap(({ userId, organizationId, role }) => {
    const [person, ref] = [byId.get(userId), slugs.get(organizationId)];
    if (!person || ref === undefined) {
      const reason = 'the person or the organization is not there any more';
      leftOut.push({ what: `membership of ${quoted(userId)} in ${quoted(organizationId)}`, reason });
      return [];
    }
    const address = email.safeParse(person.email?.trim().toLowerCase()).data;
    const { clerkId: subject, name } = person;
    return [{ organization: ref, provider, subject, email: address, name: name ?? undefined, roles: [roleOf(role)] }];
  });
}

const unkept: Readonly<Record<string, string>> = {
  audit_logs: 'a trail that is signed takes no entries of others: keep the table as long as you must',
  sessions: 'everybody signs in anew',
  webhook_events: 'events that were handled are handled',
  default_prompts: 'prompts come from servers',
  organization_prompts: 'prompts come from servers',
  default_resources: 'resources come from servers',
  organization_resources: 'resources come from servers',
};

interface Leaving {
  readonly schema: string;
  readonly tables: ReadonlySet<string>;
  readonly leftOut: LeftOut[];
}

async function leaveOut(source: SourceDatabase, { schema, tables, leftOut }: Leaving): Promise<void> {
  for (const [name, reason] of Object.entries(unkept)) {
    const rows = tables.has(name) ? await source.count(schema, name) : 0;
    if (rows > 0) leftOut.push({ what: `${name}, ${rows} rows`, reason });
  }
}

const wide = /^(?:\*|admin|write|mcp|mcp:\*|mcp:write|tools:\*|tools:call)$/;

/** Good for all that its organization has, as they are here: one that was for less is made anew. */
function keysOf(
  rows: readonly z.output<typeof apiKey>[],
  {
    slugs,
    leftOut,
    nowMs,
  }: { readonly slugs: ReadonlyMap<string, string>; readonly leftOut: LeftOut[]; readonly nowMs: number },
): readonly FoundKey[] {
  return rows.flatMap((row) => {
    const ref = row.organizationId ? slugs.get(row.organizationId) : undefined;
    const name = row.name ?? `imported ${row.id}`;
    const scopes = row.scopes ?? [];
    const isOver =
      row.isActive === false || row.revokedAt != null || (row.expiresAt && row.expiresAt.getTime() <= nowMs);
    const reason =
      ref === undefined
        ? 'no organization is said to have it: `gatehouse key create`'
        : isOver
          ? 'it is not good any more'
          : scopes.length > 0 && !scopes.some((scope) => wide.test(scope))
            ? `it was for ${quoted(scopes.join(' '))} only: \`gatehouse key create\` makes one with roles and endpoints`
            : undefined;
    if (ref !== undefined && reason === undefined)
      return [{ organization: ref, name, sha256: row.keyHash, expiresAt: row.expiresAt?.getTime() }];
    leftOut.push({ what: `API key ${quoted(name)}`, reason: reason ?? '' });
    return [];
  });
}
