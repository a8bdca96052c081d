/** Renewal on real PostgreSQL, by three who don't know of one another. */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { asOrgId, asServerId, type OrgId, type ServerId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';
import { openSealer } from '#core/sealer.ts';
import { Secret } from '#core/secret.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import { withPlatform } from '#db/scope.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { recordingLog } from '#kit/identity/recording-log.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import {
  type FakeAuthorizationServer,
  startFakeAuthorizationServer,
} from '#kit/upstream-auth/fake-authorization-server.ts';
import { accountPlace, findConnectedAccount, newAccountId, putConnectedAccount } from '#records/connected-accounts.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import type { AccountHolder } from '#records/upstream-accounts.ts';
import { openVault, type Vault } from '#records/vault.ts';
import { type Accounts, openAccounts } from './accounts.ts';
import { openForeignClients } from './foreign-clients.ts';
import { openForeignServers } from './foreign-servers.ts';
import { openAccountHealth } from './health.ts';
import { writeKept } from './token-requests.ts';

const clock = manualClock();
const log = recordingLog();
const sealer = openSealer(Buffer.alloc(32, 7));
let database: TestDatabase;
let as: FakeAuthorizationServer;
let vault: Vault;
let org: OrgId;
let server: ServerId;
let user: string;
let replicas: readonly Accounts[];
const hear: ((change: Parameters<Parameters<ChangeFeed['subscribe']>[0]>[0]) => void)[] = [];
const feed: ChangeFeed = {
  subscribe(listener) {
    hear.push(listener);
    return () => undefined;
  },
};

async function openReplica(): Promise<Accounts> {
  const { db } = database;
  const common = { db, vault, sealer, fetch: globalThis.fetch, clock, baseUrl: 'https://gw.example' };
  return openAccounts({
    ...common,
    ...{ feed, log, pagesAt: 'https://gw.example' },
    servers: openForeignServers(common),
    clients: openForeignClients(common),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms / 10)),
  });
}

beforeAll(async () => {
  database = await createTestDatabase();
  const kms = await kmsAdapters.open({ kind: 'environment' }, { rootSecret: new Secret('r'.repeat(40)), clock, log });
  vault = openVault({ kms, store: openDataKeyStore(database.db), clock });
  const [o] = await database.sql(`insert into gateway.organizations (slug, name) values ('acme', 'Acme') returning id`);
  const [s] = await database.sql(
    `insert into gateway.servers (key, title, transport) values ('notes', 'Notes', '{"kind":"http","url":"http://127.0.0.1:9/mcp"}') returning id`,
  );
  const [u] = await database.sql(`insert into gateway.users (subject) values ('ada') returning id`);
  [org, server, user] = [asOrgId(String(o?.id)), asServerId(String(s?.id)), String(u?.id)];
});
afterAll(() => database?.close());

const holder = (): AccountHolder => ({
  organization: { id: org, slug: 'acme' },
  principal: {
    ...{ kind: 'user', key: principalKey('i', 'ada'), issuer: 'i', subject: 'ada', claims: {}, expiresAt: 0 },
  },
  userId: user,
  server: {
    ...{ id: server, key: 'notes', title: 'Notes', org: undefined, trusted: false, enabled: true },
    transport: { kind: 'http', url: 'http://127.0.0.1:9/mcp' },
    auth: { kind: 'connected', registration: 'auto', listing: 'personal' },
    ...{ blockedTools: new Set(), totalTimeoutMs: undefined },
  },
});

/** Tokens of the fake one by its own way: a code. */
async function link(lifeSeconds: number | undefined): Promise<void> {
  as.lifeSeconds = lifeSeconds;
  as.signedInAs = 'ada';
  const redirect = 'https://gw.example/connect/callback';
  const clientId = 'https://gw.example/connect/client.json';
  const query = new URLSearchParams({ client_id: clientId, redirect_uri: redirect, state: 's', scope: 'read' });
  const sent = await fetch(`${as.url}/authorize?${query}`, { redirect: 'manual' });
  const code = new URL(sent.headers.get('location') ?? '').searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', code, client_id: clientId, redirect_uri: redirect };
  const answer = await fetch(`${as.url}/token`, { method: 'POST', body: new URLSearchParams(form) });
  const { access_token: access, refresh_token: refresh } = (await answer.json()) as Record<string, string>;
  const id = newAccountId(clock.now());
  const sealed = await vault.seal(org, accountPlace(id), writeKept({ access: access ?? '', refresh }));
  const expiresAt = lifeSeconds === undefined ? undefined : clock.now() + lifeSeconds * 1000;
  await putConnectedAccount(database.db, {
    ...{ id, org, user, server, issuer: as.issuer, clientId, sealed, scopes: ['read'], expiresAt },
    ...{ issuedAt: clock.now(), refreshable: refresh !== undefined },
  });
}

beforeEach(async () => {
  as = await startFakeAuthorizationServer('standard', { now: clock.now });
  replicas = await Promise.all([openReplica(), openReplica(), openReplica()]);
  return () => as.close();
});

const row = () => findConnectedAccount(database.db, { org, user, server });
const renewals = () => as.requests.filter(({ body }) => body.includes('grant_type=refresh_token')).length;
const all = (times = 5) =>
  Promise.all(replicas.flatMap((one) => Array.from({ length: times }, () => one.open(holder()))));

test('a token is renewed five minutes ahead of its end, or a fifth of its life, by one of three replicas', async () => {
  await link(3600);
  await all();
  expect(renewals()).toBe(0);
  clock.advance(3600_000 - 299_000);
  const got = await all();
  expect(renewals()).toBe(1);
  expect(as.reused).toBe(0);
  expect(new Set(got.map(({ secret }) => secret.reveal())).size).toBe(1);
  for (const { secret } of got) expect(as.look(secret.reveal())?.person).toBe('ada');
  await link(100);
  clock.advance(79_000);
  for (const heard of hear) heard({ kind: 'everything' });
  await all();
  expect(renewals()).toBe(1);
  clock.advance(2000);
  for (const heard of hear) heard({ kind: 'everything' });
  await all();
  expect(renewals()).toBe(2);
});

test('rotating refresh tokens are never used twice, however often they are due', async () => {
  await link(10);
  for (let turn = 0; turn < 8; turn++) {
    clock.advance(9000);
    for (const { secret } of await all(3)) expect(as.look(secret.reveal())).toBeDefined();
  }
  expect(renewals()).toBe(8);
  expect(as.reused).toBe(0);
});

test('where the authorization server says no it is asked once, and the person is told with a link', async () => {
  await link(10);
  as.revoke('ada');
  clock.advance(11_000);
  for (let turn = 0; turn < 3; turn++) {
    const said = await Promise.allSettled(replicas.map((one) => one.open(holder())));
    for (const one of said)
      expect(one).toMatchObject({
        reason: {
          code: 'account_required',
          message: expect.stringMatching(/no longer works.*https:\/\/gw\.example\/connect\/acme\/notes\?for=/),
        },
      });
  }
  expect(renewals()).toBe(1);
  expect(await row()).toMatchObject({ state: 'failed', failedReason: 'invalid_grant' });
});

test('where it is away, what there is serves on, and it is asked less and less often', async () => {
  await link(1000);
  clock.advance(900_000);
  as.break(503, '/token');
  for (let turn = 0; turn < 4; turn++)
    for (const { secret } of await all(2)) expect(as.look(secret.reveal())).toBeDefined();
  expect(renewals()).toBe(1);
  expect(await row()).toMatchObject({ state: 'expiring' });
  clock.advance(101_000);
  await expect(replicas[0]?.open(holder())).rejects.toMatchObject({ code: 'credential_unavailable' });
  as.break(undefined);
  clock.advance(10_000);
  expect((await all(1)).length).toBe(3);
  expect(await row()).toMatchObject({ state: 'ok', failures: 0 });
});

test('a token that stays refused is given up instead of renewed again and again [F11]', async () => {
  await link(3600);
  clock.advance(60_000);
  const [one] = replicas;
  if (!one) throw new Error('no replica');
  const first = await one.open(holder());
  const fresh = await Promise.all(Array.from({ length: 200 }, () => one.renew(holder(), first)));
  expect(renewals()).toBe(1);
  const [second = first] = fresh;
  await expect(one.renew(holder(), second)).rejects.toMatchObject({ code: 'account_required' });
  await expect(one.open(holder())).rejects.toMatchObject({ code: 'account_required' });
  expect(renewals()).toBe(1);
});

test('accounts that nobody uses are renewed once a day, and those that fail are counted', async () => {
  await link(3600);
  const [one] = replicas;
  if (!one) throw new Error('no replica');
  const health = openAccountHealth({
    db: database.db,
    accounts: one,
    clock,
    log,
    every: () => () => undefined,
    random: () => 1,
  });
  await database.sql(`update gateway.connected_accounts set checked_at = $1`, [new Date(clock.now())]);
  clock.advance(26 * 3600_000);
  await health.check();
  expect(renewals()).toBe(0);
  clock.advance(3 * 3600_000);
  await health.check();
  expect(renewals()).toBe(1);
  expect(health.counts).toEqual({ ok: 1, expiring: 0, failed: 0 });
  as.revoke('ada');
  clock.advance(30 * 3600_000);
  await health.check();
  expect(health.counts).toEqual({ ok: 0, expiring: 0, failed: 1 });
  await health.close();
});

test('who is no person is told so, and no row of another organization is found', async () => {
  await link(undefined);
  const [one] = replicas;
  await expect(one?.open({ ...holder(), userId: undefined })).rejects.toMatchObject({
    message: expect.stringContaining('acts for nobody'),
  });
  const other = await withPlatform(database.db, async ({ tx }) =>
    tx
      .insertInto('organizations')
      .values({ slug: `o${Date.now()}`, external_id: null, name: 'O' })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  const elsewhere = { ...holder(), organization: { id: asOrgId(other.id), slug: 'o' } };
  await expect(one?.open(elsewhere)).rejects.toMatchObject({ code: 'account_required' });
});

test('logs name the account and never a token', () => {
  const text = log.text();
  expect(text).toContain('account_renewed');
  for (const secret of as.secrets) expect(text).not.toContain(secret);
  expect(text).not.toMatch(/\b[ar]t_[\w-]{20}/);
});
