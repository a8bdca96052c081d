/** What members ask to be let into: decided once, by an administrator of the organization, or taken back. */
import { sql } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { PlatformScope } from '#db/scope.ts';
import { parseRoles } from './columns.ts';

export const requestStates = ['open', 'approved', 'refused', 'withdrawn'] as const;
export type RequestState = (typeof requestStates)[number];

export interface AccessRequest {
  readonly id: string;
  readonly userId: string;
  readonly email: string | undefined;
  readonly name: string | undefined;
  readonly serverId: string | undefined;
  readonly collectionId: string | undefined;
  /** Key of the server, name of the collection: exactly one. */
  readonly server: string | undefined;
  readonly collection: string | undefined;
  /** undefined: all of it. */
  readonly tools: readonly string[] | undefined;
  readonly reason: string;
  readonly state: RequestState;
  readonly word: string | undefined;
  /** Address of the administrator, where it is known. */
  readonly decidedBy: string | undefined;
  readonly grantId: string | undefined;
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly decidedAt: number | undefined;
}

export interface NewAccessRequest {
  readonly userId: string;
  readonly serverId?: string | undefined;
  readonly collectionId?: string | undefined;
  readonly tools: readonly string[] | undefined;
  readonly reason: string;
}

export interface RequestFilter {
  readonly userId?: string | undefined;
  readonly state?: RequestState | undefined;
  readonly limit: number;
  /** Before this one: the newest come first. */
  readonly after?: string | undefined;
}

/** Open ones of one person in one organization. */
export const MAX_OPEN = 10;

/** People are the platform's: every statement names the organization. */
const listed = ({ tx }: PlatformScope, org: OrgId) =>
  tx
    .selectFrom('access_requests as r')
    .innerJoin('users as u', 'u.id', 'r.user_id')
    .leftJoin('users as d', 'd.id', 'r.decided_by')
    .leftJoin('servers as s', 's.id', 'r.server_id')
    .leftJoin('collections as c', 'c.id', 'r.collection_id')
    .select(['r.id', 'r.user_id', 'r.server_id', 'r.collection_id', 'r.tools', 'r.reason', 'r.state', 'r.word'])
    .select(['r.grant_id', 'r.created_at', 'r.decided_at', 'u.email', 'u.name', 's.key as server'])
    .select(['c.name as collection', sql<string | null>`coalesce(d.email, d.name)`.as('decider')])
    .where('r.org_id', '=', org);

export async function listAccessRequests(
  scope: PlatformScope,
  org: OrgId,
  { userId, state, limit, after }: RequestFilter,
): Promise<readonly AccessRequest[]> {
  let query = listed(scope, org);
  if (userId !== undefined) query = query.where('r.user_id', '=', userId);
  if (state !== undefined) query = query.where('r.state', '=', state);
  if (after !== undefined) query = query.where('r.id', '<', after);
  return (await query.orderBy('r.id', 'desc').limit(limit).execute()).map(asRequest);
}

/** Throws `conflict` for one that is open already, or one too many. */
export async function insertAccessRequest(
  scope: PlatformScope,
  org: OrgId,
  { userId, serverId, collectionId, tools, reason }: NewAccessRequest,
): Promise<AccessRequest> {
  const { tx } = scope;
  // One after the other for each person: the number of open ones is counted.
  await tx.selectFrom('users').select('id').where('id', '=', userId).forUpdate().execute();
  const open = await listAccessRequests(scope, org, { userId, state: 'open', limit: MAX_OPEN });
  if (open.length >= MAX_OPEN)
    throw new GatehouseError('conflict', {
      message: `There are ${MAX_OPEN} open requests of yours: wait, or withdraw one`,
    });
  const wanted = JSON.stringify(tools ? [...tools].sort() : null);
  const same = open.some(
    (one) =>
      one.serverId === serverId &&
      one.collectionId === collectionId &&
      JSON.stringify(one.tools ? [...one.tools].sort() : null) === wanted,
  );
  if (same) throw new GatehouseError('conflict', { message: 'You have asked for this already' });
  const { id } = await tx
    .insertInto('access_requests')
    .values({
      ...{ org_id: org, user_id: userId, server_id: serverId ?? null, collection_id: collectionId ?? null, reason },
      tools: tools ? JSON.stringify(tools) : null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return getAccessRequest(scope, org, id);
}

/** Throws `not_found`, the same for nothing and for another organization's. */
export async function getAccessRequest(scope: PlatformScope, org: OrgId, id: string): Promise<AccessRequest> {
  const row = await listed(scope, org).where(sql`r.id::text`, '=', id.toLowerCase()).executeTakeFirst();
  if (row) return asRequest(row);
  throw new GatehouseError('not_found', { message: 'There is no such request' });
}

export interface Settled {
  readonly state: Exclude<RequestState, 'open'>;
  readonly word?: string | undefined;
  readonly decidedBy?: string | undefined;
  readonly tools?: readonly string[] | undefined;
  readonly nowMs: number;
}

/** Once: the second of two at the same moment hears `conflict`. Throws `not_found`. */
export async function settleAccessRequest(
  scope: PlatformScope,
  { org, id }: { readonly org: OrgId; readonly id: string },
  { state, word, decidedBy, tools, nowMs }: Settled,
): Promise<AccessRequest> {
  const found = await getAccessRequest(scope, org, id);
  const { numUpdatedRows } = await scope.tx
    .updateTable('access_requests')
    .set({
      ...{ state, word: word ?? null, decided_by: decidedBy ?? null, decided_at: new Date(nowMs) },
      ...(tools && { tools: JSON.stringify(tools) }),
    })
    .where('org_id', '=', org)
    .where('id', '=', found.id)
    .where('state', '=', 'open')
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('conflict', { message: `The request is ${found.state} already` });
  return getAccessRequest(scope, org, found.id);
}

export async function noteGrant(
  { tx }: PlatformScope,
  { org, id, grantId }: { readonly org: OrgId; readonly id: string; readonly grantId: string },
): Promise<void> {
  await tx
    .updateTable('access_requests')
    .set({ grant_id: grantId })
    .where('org_id', '=', org)
    .where('id', '=', id)
    .execute();
}

type Row = Awaited<ReturnType<ReturnType<typeof listed>['execute']>>[number];

function asRequest(row: Row): AccessRequest {
  const state = requestStates.find((one) => one === row.state) ?? 'withdrawn';
  return {
    ...{ id: row.id, userId: row.user_id, reason: row.reason, state },
    email: row.email ?? undefined,
    name: row.name ?? undefined,
    serverId: row.server_id ?? undefined,
    collectionId: row.collection_id ?? undefined,
    server: row.server ?? undefined,
    collection: row.collection ?? undefined,
    tools: row.tools === null ? undefined : parseRoles(row.tools),
    word: row.word ?? undefined,
    decidedBy: row.decider ?? undefined,
    grantId: row.grant_id ?? undefined,
    createdAt: row.created_at.getTime(),
    decidedAt: row.decided_at?.getTime(),
  };
}
