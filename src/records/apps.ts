/** Applications that people let in by the authorization server: grants, who they are of, and which are kept out. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';

/** What one person let one client have. */
export interface AppGrant {
  readonly id: string;
  readonly clientId: string;
  readonly userId: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
  /** How many organizations the person belongs to. */
  readonly memberships: number;
  readonly scopes: readonly string[];
  readonly resources: readonly string[];
  /** Unix milliseconds; undefined: not known. */
  readonly since: number | undefined;
  /** When a token was last given out. */
  readonly lastUsedAt: number | undefined;
  readonly expiresAt: number | undefined;
}

/** What is known of a client beside its id. */
export interface AppClient {
  readonly name: string | undefined;
  readonly url: string | undefined;
  readonly software: string | undefined;
  readonly redirectUris: readonly string[];
  /** Unix milliseconds. */
  readonly registeredAt: number | undefined;
}

const payload = z.object({
  iat: z.number().optional().catch(undefined),
  openid: z.object({ scope: z.string() }).optional().catch(undefined),
  resources: z.record(z.string(), z.string()).optional().catch(undefined),
});

/** Of one person, or of all members of an organization. By person and client, the newest first. */
export async function listAppGrants(
  { tx }: PlatformScope,
  of: { readonly userId: string } | { readonly org: OrgId },
  nowMs: number,
): Promise<readonly AppGrant[]> {
  const all = tx
    .selectFrom('oauth_records as g')
    .innerJoin('users as u', 'u.subject', 'g.account_id')
    .select(['g.id', 'g.client_id', 'g.payload', 'g.expires_at', 'u.id as user_id', 'u.email', 'u.name'])
    .select(sql<string>`(select count(*) from gateway.members m where m.user_id = u.id)`.as('memberships'))
    .select(
      sql<string | null>`(select max((t.payload->>'iat')::numeric) from gateway.oauth_records t
        where t.grant_id = g.id and t.model in ('AccessToken', 'RefreshToken'))`.as('used'),
    )
    .where('g.model', '=', 'Grant')
    .where('g.client_id', 'is not', null)
    .where((is) => is.or([is('g.expires_at', 'is', null), is('g.expires_at', '>', new Date(nowMs))]));
  const rows = await ('userId' in of
    ? all.where('u.id', '=', of.userId)
    : all.where(sql<boolean>`exists (select from gateway.members m where m.user_id = u.id and m.org_id = ${of.org})`)
  )
    .orderBy('g.expires_at', 'desc')
    .orderBy('g.id')
    .execute();
  return rows.map((row) => {
    const { iat, openid, resources = {} } = payload.parse(row.payload);
    const scopes = [openid?.scope ?? '', ...Object.values(resources)].flatMap((text) => text.split(' '));
    return {
      ...{ id: row.id, clientId: row.client_id ?? '', userId: row.user_id },
      email: row.email ?? undefined,
      name: row.name ?? undefined,
      memberships: Number(row.memberships),
      scopes: [...new Set(scopes.filter(Boolean))].sort(),
      resources: Object.keys(resources).sort(),
      since: seconds(iat),
      lastUsedAt: seconds(row.used === null ? undefined : Number(row.used)),
      expiresAt: row.expires_at?.getTime(),
    };
  });
}

const seconds = (at: number | undefined) => (at === undefined ? undefined : at * 1000);

/** Everything that hangs on them ends, and the person is asked again the next time. How many there were. */
export async function removeAppGrants({ tx }: PlatformScope, grants: readonly AppGrant[]): Promise<number> {
  const ids = grants.map(({ id }) => id);
  if (ids.length === 0) return 0;
  // The grants first: whoever writes tokens holds theirs.
  const gone = await tx
    .deleteFrom('oauth_records')
    .where('model', '=', 'Grant')
    .where('id', 'in', ids)
    .returning('id')
    .execute();
  await tx.deleteFrom('oauth_records').where('grant_id', 'in', ids).execute();
  for (const { userId, clientId } of grants)
    await tx.deleteFrom('consents').where('user_id', '=', userId).where('client_id', '=', clientId).execute();
  return gone.length;
}

const metadata = z.object({
  client_name: z.string().optional().catch(undefined),
  client_uri: z.string().optional().catch(undefined),
  software_id: z.string().optional().catch(undefined),
  software_version: z.string().optional().catch(undefined),
  redirect_uris: z.array(z.string()).catch([]),
});

/** By id; those that registered, and programs of this organization. */
export async function findAppClients(
  { tx }: PlatformScope,
  ids: readonly string[],
): Promise<ReadonlyMap<string, AppClient>> {
  if (ids.length === 0) return new Map();
  const registered = await tx
    .selectFrom('oauth_clients')
    .select(['id', 'metadata', 'created_at'])
    .where('id', 'in', ids)
    .execute();
  const programs = await tx
    .selectFrom('program_clients')
    .select(['id', 'name', 'created_at'])
    .where('id', 'in', ids)
    .execute();
  const found = new Map<string, AppClient>();
  for (const row of registered) {
    const said = metadata.parse(row.metadata);
    const software = [said.software_id, said.software_version].filter(Boolean).join(' ');
    found.set(row.id, {
      name: said.client_name,
      url: said.client_uri,
      software: software === '' ? undefined : software,
      redirectUris: said.redirect_uris,
      registeredAt: row.created_at.getTime(),
    });
  }
  for (const { id, name, created_at } of programs)
    found.set(id, { name, url: undefined, software: undefined, redirectUris: [], registeredAt: created_at.getTime() });
  return found;
}

export interface BlockedClient {
  readonly clientId: string;
  readonly reason: string | undefined;
  readonly blockedBy: string;
  /** Unix milliseconds. */
  readonly at: number;
}

export async function listBlockedClients({ tx }: PlatformScope, org: OrgId): Promise<readonly BlockedClient[]> {
  const rows = await tx
    .selectFrom('blocked_clients')
    .selectAll()
    .where('org_id', '=', org)
    .orderBy('client_id')
    .execute();
  return rows.map((row) => ({
    clientId: row.client_id,
    reason: row.reason ?? undefined,
    blockedBy: row.blocked_by,
    at: row.created_at.getTime(),
  }));
}

/** A second time changes nothing. */
export async function blockClient(
  { tx }: PlatformScope,
  org: OrgId,
  { clientId, reason, blockedBy }: Omit<BlockedClient, 'at'>,
): Promise<void> {
  await tx
    .insertInto('blocked_clients')
    .values({ org_id: org, client_id: clientId, reason: reason ?? null, blocked_by: blockedBy })
    .onConflict((conflict) => conflict.columns(['org_id', 'client_id']).doNothing())
    .execute();
}

export async function unblockClient({ tx }: PlatformScope, org: OrgId, clientId: string): Promise<void> {
  await tx.deleteFrom('blocked_clients').where('org_id', '=', org).where('client_id', '=', clientId).execute();
}

/** A browser that is signed in at the authorization server. */
export interface SignInSession {
  readonly id: string;
  readonly userId: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
  readonly memberships: number;
  /** Unix milliseconds. */
  readonly since: number | undefined;
  readonly expiresAt: number | undefined;
}

export async function listSignInSessions(
  { tx }: PlatformScope,
  org: OrgId,
  nowMs: number,
): Promise<readonly SignInSession[]> {
  const rows = await tx
    .selectFrom('oauth_records as s')
    .innerJoin('users as u', (join) =>
      join.on(sql<boolean>`u.subject = coalesce(s.account_id, s.payload->>'accountId')`),
    )
    .innerJoin('members as m', (join) => join.onRef('m.user_id', '=', 'u.id').on('m.org_id', '=', org))
    .select(['s.id', 's.expires_at', 'u.id as user_id', 'u.email', 'u.name'])
    .select(sql<string | null>`s.payload->>'loginTs'`.as('since'))
    .select(sql<string>`(select count(*) from gateway.members o where o.user_id = u.id)`.as('memberships'))
    .where('s.model', '=', 'Session')
    .where('s.expires_at', '>', new Date(nowMs))
    .orderBy('s.id')
    .execute();
  return rows.map((row) => ({
    ...{ id: row.id, userId: row.user_id, memberships: Number(row.memberships) },
    email: row.email ?? undefined,
    name: row.name ?? undefined,
    since: seconds(row.since === null ? undefined : Number(row.since)),
    expiresAt: row.expires_at?.getTime(),
  }));
}

export async function removeSignInSessions({ tx }: PlatformScope, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0;
  const gone = await tx
    .deleteFrom('oauth_records')
    .where('model', '=', 'Session')
    .where('id', 'in', ids)
    .returning('id')
    .execute();
  return gone.length;
}
