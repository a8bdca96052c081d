/** From the gateway with Clerk and Prisma: organizations, servers, what is enabled for whom, members. */
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { App } from '#app.ts';
import { call, send } from '#kit/http-client.ts';
import { sqlOf } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { type ImportReport, type ImportWorld, loadData, startImportWorld } from './world.ts';

const machineKey = 'mk_a-key-that-was-good-there-0123456789';
let upstream: RecordingUpstream;
let t: ImportWorld;
let app: App;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  const hash = createHash('sha256').update(machineKey).digest('hex');
  const env = { OLD_DATABASE_URL: await loadData('clerk.sql', { UPSTREAM: upstream.url, HASH: hash }) };
  t = await startImportWorld({ env, yaml: "egress: { allow: ['127.0.0.1'] }" });
  app = await t.open();
}, 120_000);
afterAll(async () => {
  await t?.close();
  await upstream?.close();
});

const changed = ({ changes }: ImportReport) => changes.map(({ action, what }) => `${action} ${what}`);

async function callAs(organization: string, path: string) {
  const name = randomBytes(4).toString('hex');
  const made = await t.command('key', 'create', '--org', organization, '--name', name, '--json');
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(made.out));
  upstream.clear();
  const answer = await send(`${app.url}${path}`, { headers: { authorization: `Bearer ${key}` }, body: call('x') });
  return { status: answer.status, text: answer.text, target: upstream.requests[0]?.target };
}

test('a dry run names what comes and what cannot, with its reason, and changes nothing [S4.8]', async () => {
  const plan = await t.report('clerk', 'env:OLD_DATABASE_URL', '--dry-run');
  expect(changed(plan)).toEqual(
    expect.arrayContaining([
      ...['add organization acme', 'add organization org-beta', 'add organization org-admin', 'add server notes'],
      ...['add enablement acme/notes', 'add enablement org-beta/files', 'add member acme/ann@acme.example'],
    ]),
  );
  const said = plan.leftOut.map(({ what, reason }) => `${what}: ${reason}`).join('\n');
  for (const part of [
    '"gone": it was deleted there',
    '"bad"',
    'server code-only',
    '"Bad_Key"',
    'address of server inside',
  ])
    expect(said).toContain(part);
  for (const part of [
    'API key "reader": it was for "mcp:read" only',
    'audit_logs, 2 rows',
    'sessions, 1 rows',
    '"u3"',
    '"Beta Ltd."',
  ])
    expect(said).toContain(part);
  for (const part of [
    '"late": it is not good',
    '"revoked": it is not good',
    '"homeless"',
    '"in the clear"',
    '"of the gone"',
  ])
    expect(said).toContain(part);
  expect(JSON.stringify(plan)).not.toContain('not-a-hash');
  expect(JSON.stringify(plan)).not.toContain('session-token');
  expect(await t.sql('select from gateway.organizations')).toEqual([]);
});

test('what was enabled is reached, what was not is refused, each organization its own [S4.1] [S4.8] [S4.20]', async () => {
  const { code, err } = await t.run('clerk', 'env:OLD_DATABASE_URL', '--yes');
  expect([code, err]).toEqual([0, expect.stringContaining('Imported')]);
  expect(await callAs('acme', '/acme/mcp/notes')).toMatchObject({ status: 200, target: '/notes' });
  expect(await callAs('org_beta', '/org_beta/mcp/files')).toMatchObject({ status: 200, target: '/files' });
  for (const [organization, server] of [
    ['acme', 'files'],
    ['acme', 'sleeping'],
    ['org_beta', 'notes'],
    ['empty', 'notes'],
  ] as const) {
    const answer = await callAs(organization, `/${organization}/mcp/${server}`);
    expect([organization, server, answer.target]).toEqual([organization, server, undefined]);
    expect(answer.text).toMatch(/Access Denied|not found/i);
  }
});

test("members come by Clerk's id, with Clerk's words for their roles", async () => {
  const rows = await t.sql(
    `select o.slug, i.subject, m.roles, m.identity_provider as said, u.email_verified as proved from gateway.members m
     join gateway.organizations o on o.id = m.org_id join gateway.users u on u.id = m.user_id
     join gateway.identities i on i.user_id = u.id order by 1, 2`,
  );
  expect(rows).toEqual([
    { slug: 'acme', subject: 'user_ann', roles: ['org:admin'], said: 'clerk', proved: false },
    { slug: 'acme', subject: 'user_bob', roles: ['org:viewer'], said: 'clerk', proved: false },
    { slug: 'org-beta', subject: 'user_ann', roles: ['org:member'], said: 'clerk', proved: false },
  ]);
});

test('a key that machines had goes on, at its own organization, until it is revoked [S4.10] [S4.22]', async () => {
  const ask = (path: string, headers: Readonly<Record<string, string>>) =>
    send(`${app.url}${path}`, { headers, body: call('x') });
  const bearer = { authorization: `Bearer ${machineKey}` };
  expect((await ask('/acme/mcp/notes', bearer)).status).toBe(200);
  expect((await ask('/acme/mcp/notes', { 'x-api-key': machineKey })).status).toBe(200);
  expect((await ask('/org_beta/mcp/files', bearer)).status).toBe(403);
  for (const other of [
    'late-key-of-acme-0123456789',
    'reader-key-of-acme-0123456789',
    `${machineKey}x`,
    'not-a-hash-but-the-key-itself',
  ])
    expect((await ask('/acme/mcp/notes', { authorization: `Bearer ${other}` })).status).toBe(401);
  const [row] = await t.sql(
    `select id, last4, encode(digest, 'hex') as digest from gateway.api_keys where name = 'deploy bot'`,
  );
  expect(row?.digest).not.toBe(createHash('sha256').update(machineKey).digest('hex'));
  expect((await t.command('key', 'revoke', String(row?.id), '--org', 'acme')).code).toBe(0);
  await expect.poll(async () => (await ask('/acme/mcp/notes', bearer)).status, { timeout: 3000 }).toBe(401);
});

test('a second time there is nothing to change; what was switched off here meanwhile stays off', async () => {
  expect((await t.report('clerk', 'env:OLD_DATABASE_URL', '--yes')).changes).toEqual([]);
  await t.sql(`update gateway.enablements set enabled = false
    where server_id = (select id from gateway.servers where key = 'files')`);
  const again = await t.report('clerk', 'env:OLD_DATABASE_URL', '--yes');
  expect([again.changes, again.applied]).toEqual([[], false]);
  expect(again.leftOut).toContainEqual({ what: 'enablement org-beta/files', reason: 'it is switched off here' });
  expect(again.leftOut).toContainEqual({ what: 'API key acme/deploy bot', reason: 'it is revoked here' });
});

test('tables in a schema of their own are found by the address, as Prisma has it', async () => {
  const url = await loadData('clerk.sql', { UPSTREAM: upstream.url, HASH: 'x' });
  await sqlOf(url, 'alter schema public rename to gateway_app; create schema public');
  const here = await startImportWorld({ yaml: "egress: { allow: ['127.0.0.1'] }" });
  try {
    expect((await here.report('clerk', url, '--dry-run')).changes).toEqual([]);
    expect(changed(await here.report('clerk', `${url}?schema=gateway_app`, '--dry-run'))).toContain('add server notes');
  } finally {
    await here.close();
  }
});
