/** What operators look at and clean up: clients that registered themselves, what has expired, how much of everything there is. */
import { sql } from 'kysely';
import { z } from 'zod';
import type { PlatformScope } from '#db/scope.ts';

export interface Registration {
  readonly id: string;
  readonly name: string | undefined;
  readonly redirectUris: readonly string[];
  /** Unix milliseconds, as are all times here. */
  readonly registeredAt: number;
  /** undefined: nobody signed in through it yet. */
  readonly signedInAt: number | undefined;
  /** undefined: never. */
  readonly expiresAt: number | undefined;
  /** Access and refresh tokens that are good. */
  readonly tokens: number;
}

const metadata = z.object({
  client_name: z.string().optional().catch(undefined),
  redirect_uris: z.array(z.string()).catch([]),
});

/** Those that expired and are not swept yet, too. The newest first. */
export async function listRegistrations({ tx }: PlatformScope, nowMs: number): Promise<readonly Registration[]> {
  const { rows: counted } = await sql<{ client: string; tokens: string }>`
    select client_id as client, count(*) as tokens from gateway.oauth_records
    where model in ('AccessToken', 'RefreshToken') and client_id is not null
      and (expires_at is null or expires_at > ${new Date(nowMs)}) group by 1`.execute(tx);
  const tokens = new Map(counted.map((row) => [row.client, Number(row.tokens)]));
  const rows = await tx
    .selectFrom('oauth_clients')
    .select(['id', 'metadata', 'created_at', 'signed_in_at', 'expires_at'])
    .orderBy('created_at', 'desc')
    .orderBy('id')
    .execute();
  return rows.map((row) => {
    const said = metadata.parse(row.metadata);
    return {
      ...{ id: row.id, name: said.client_name, redirectUris: said.redirect_uris, tokens: tokens.get(row.id) ?? 0 },
      registeredAt: row.created_at.getTime(),
      signedInAt: row.signed_in_at?.getTime(),
      expiresAt: row.expires_at?.getTime(),
    };
  });
}

/** With everything that was issued to it, which is dead within a second. False: there is none. */
export async function removeRegistration({ tx }: PlatformScope, id: string): Promise<boolean> {
  const row = await tx.deleteFrom('oauth_clients').where('id', '=', id).returning('id').executeTakeFirst();
  if (!row) return false;
  await tx.deleteFrom('oauth_records').where('client_id', '=', id).execute();
  await tx.deleteFrom('consents').where('client_id', '=', id).execute();
  return true;
}

export interface Expired {
  readonly clients: number;
  /** Access and refresh tokens. */
  readonly tokens: number;
  /** Codes, grants, browsers' sessions and whatever else the authorization server keeps for a time. */
  readonly otherRecords: number;
  readonly signInAttempts: number;
  readonly portalSessions: number;
}

const isToken = sql`model in ('AccessToken', 'RefreshToken')`;

/** What `removeExpired` would remove. */
export async function countExpired({ tx }: PlatformScope, nowMs: number): Promise<Expired> {
  const { rows } = await sql<Record<keyof Expired, string>>`select
    (select count(*) from gateway.oauth_clients where expires_at <= ${new Date(nowMs)}) as clients,
    (select count(*) from gateway.oauth_records where expires_at <= ${new Date(nowMs)} and ${isToken}) as tokens,
    (select count(*) from gateway.oauth_records where expires_at <= ${new Date(nowMs)} and not ${isToken})
      as "otherRecords",
    (select count(*) from gateway.sign_in_attempts where expires_at <= ${new Date(nowMs)}) as "signInAttempts",
    (select count(*) from gateway.portal_sessions where expires_at <= ${new Date(nowMs)}) as "portalSessions"`.execute(
    tx,
  );
  return numbers(rows[0], { clients: 0, tokens: 0, otherRecords: 0, signInAttempts: 0, portalSessions: 0 });
}

/** At most `limit` of each: call it again until nothing went. A client goes with what was issued to it. */
export async function removeExpired({ tx }: PlatformScope, nowMs: number, limit: number): Promise<Expired> {
  const clients = await sql<{ id: string }>`delete from gateway.oauth_clients where ctid = any(array(
    select ctid from gateway.oauth_clients where expires_at <= ${new Date(nowMs)}
    limit ${limit} for update skip locked)) returning id`.execute(tx);
  const ids = clients.rows.map(({ id }) => id);
  if (ids.length > 0) {
    await tx.deleteFrom('oauth_records').where('client_id', 'in', ids).execute();
    await tx.deleteFrom('consents').where('client_id', 'in', ids).execute();
  }
  const records = await sql<{ model: string }>`delete from gateway.oauth_records where ctid = any(array(
    select ctid from gateway.oauth_records where expires_at <= ${new Date(nowMs)}
    limit ${limit} for update skip locked)) returning model`.execute(tx);
  const tokens = records.rows.filter(({ model }) => model === 'AccessToken' || model === 'RefreshToken').length;
  return {
    ...{ clients: ids.length, tokens, otherRecords: records.rows.length - tokens },
    signInAttempts: await sweep(tx, { table: 'sign_in_attempts', nowMs, limit }),
    portalSessions: await sweep(tx, { table: 'portal_sessions', nowMs, limit }),
  };
}

async function sweep(
  tx: PlatformScope['tx'],
  { table, nowMs, limit }: { readonly table: string; readonly nowMs: number; readonly limit: number },
): Promise<number> {
  const name = sql.id('gateway', table);
  const result = await sql`delete from ${name} where ctid = any(array(
    select ctid from ${name} where expires_at <= ${new Date(nowMs)} limit ${limit} for update skip locked))`.execute(
    tx,
  );
  return Number(result.numAffectedRows ?? 0);
}

export interface Statistics {
  readonly organizations: number;
  readonly people: number;
  readonly members: number;
  readonly servers: number;
  readonly collections: number;
  readonly apiKeys: number;
  /** That registered themselves, or were made by an administrator. */
  readonly clients: number;
  /** Of them, those that nobody signed in through. */
  readonly pendingClients: number;
  readonly programs: number;
  readonly accessTokens: number;
  readonly refreshTokens: number;
  /** Browsers that are signed in. */
  readonly signIns: number;
  readonly portalSessions: number;
  /** Within the last 24 hours, as are the next two. */
  readonly calls: number;
  readonly failedCalls: number;
  /** Who made them. */
  readonly callers: number;
}

const none: Statistics = {
  ...{ organizations: 0, people: 0, members: 0, servers: 0, collections: 0, apiKeys: 0, clients: 0, pendingClients: 0 },
  ...{ programs: 0, accessTokens: 0, refreshTokens: 0, signIns: 0, portalSessions: 0, calls: 0, failedCalls: 0 },
  callers: 0,
};

const dayMs = 86_400_000;

/** Of what is good now: nothing that expired, was revoked or deleted. */
export async function readStatistics({ tx }: PlatformScope, nowMs: number): Promise<Statistics> {
  const now = new Date(nowMs);
  const live = sql`(expires_at is null or expires_at > ${now})`;
  const records = (model: string) =>
    sql`(select count(*) from gateway.oauth_records where model = ${model} and ${live})`;
  const { rows: counted } = await sql<Record<keyof Statistics, string>>`select
    (select count(*) from gateway.organizations where deleted_at is null) as organizations,
    (select count(*) from gateway.users where deactivated_at is null) as people,
    (select count(*) from gateway.members) as members,
    (select count(*) from gateway.servers) as servers,
    (select count(*) from gateway.collections) as collections,
    (select count(*) from gateway.api_keys where revoked_at is null and ${live}) as "apiKeys",
    (select count(*) from gateway.oauth_clients where ${live}) as clients,
    (select count(*) from gateway.oauth_clients where signed_in_at is null and ${live}) as "pendingClients",
    (select count(*) from gateway.program_clients) as programs,
    ${records('AccessToken')} as "accessTokens", ${records('RefreshToken')} as "refreshTokens",
    ${records('Session')} as "signIns",
    (select count(*) from gateway.portal_sessions where ${live}) as "portalSessions"`.execute(tx);
  const { rows: called } = await sql<Record<string, string>>`select count(*) as calls,
      count(*) filter (where status_code >= 400 or reason is not null) as "failedCalls",
      count(distinct (issuer, subject, user_email)) as callers
    from gateway.usage where timestamp > ${new Date(nowMs - dayMs)} and not open`.execute(tx);
  return numbers({ ...counted[0], ...called[0] }, none);
}

/** Counts come as text from one kind of database, as numbers from the other. */
function numbers<T extends { readonly [Name in keyof T]: number }>(
  row: Readonly<Record<string, string | number>> | undefined,
  shape: T,
): T {
  const entries = Object.keys(shape).map((name) => [name, Number(row?.[name] ?? 0)]);
  return { ...shape, ...Object.fromEntries(entries) };
}
