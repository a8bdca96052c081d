/** From the three-layer gateway with sign-in at GitHub: its `.env`, and its clients out of Redis or a backup. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import type { App } from '#app.ts';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { type FakeGithub, startFakeGithub } from '#kit/identity/fake-github.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { hasRedis, type RedisServer, startRedis } from '#kit/redis-server.ts';
import { authorization } from '#kit/sign-in.ts';
import { type ImportReport, type ImportWorld, startImportWorld } from './world.ts';

const redirectUri = 'https://client.example/callback';
const secret = 'secret-of-a-client-that-goes-on';
const token = 'reg-AbCdEfGhIjKlMnOpQrStUvWxYz012345';
const id = 'client_k3Yt9mQ2vL8xR5wZ';
const issued = 1_750_000_000;

/** As they stand in Redis there: lists are texts of lists. */
const stored = (more: Readonly<Record<string, unknown>> = {}) => ({
  client_id: id,
  client_secret: secret,
  client_secret_expires_at: 0,
  client_id_issued_at: issued,
  redirect_uris: JSON.stringify([redirectUri, 'http://localhost.evil.example/cb', 'javascript:alert(1)']),
  client_name: 'Client that goes on',
  scope: 'openid profile email',
  response_types: JSON.stringify(['code']),
  grant_types: JSON.stringify(['authorization_code', 'refresh_token']),
  registration_access_token: token,
  ...more,
});
const entries: Readonly<Record<string, unknown>> = {
  [`oauth:client:${id}`]: stored(),
  'oauth:client:client_expired': stored({ client_id: 'client_expired', client_secret_expires_at: 1_500_000_000 }),
  'oauth:client:client_liar': stored({ client_id: 'client_somebody_else' }),
  'oauth:client:client_script': stored({ client_id: 'client_script', redirect_uris: '["javascript:alert(1)"]' }),
  'oauth:client:not-ours': stored({ client_id: 'not-ours' }),
  'oauth:client:client_torn': '{"client_id": "client_torn"',
  'oauth:token:abc': { sub: '583231', secret: 'a-token-that-nobody-may-see' },
  'oauth:refresh:def': { sub: '583231' },
};
const dotenv = `
GITHUB_CLIENT_ID=Iv1.0123456789abcdef
GITHUB_CLIENT_SECRET='hush'   # from the app's page
GATEWAY_JWT_SECRET=kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB
ALLOWED_GITHUB_USERS=octocat
BASE_DOMAIN=acme.example
ACME_EMAIL=ops@acme.example
REDIS_PASSWORD=hush-redis
MCP_FETCH_ENABLED=true
MCP_HOMEMADE_URLS=https://homemade.acme.example/mcp
CLIENT_LIFETIME=0
OAUTH_INVENTED=1
`;

let t: ImportWorld;
let app: App;
let fake: FakeGithub;
let upstream: RecordingUpstream;
let redis: RedisServer | undefined;
let source: readonly string[];

beforeAll(async () => {
  [fake, upstream] = await Promise.all([
    startFakeGithub({ user: { id: 583231, login: 'octocat', name: 'monalisa octocat' } }),
    startRecordingUpstream(),
  ]);
  redis = hasRedis ? await startRedis() : undefined;
  const env = { ...fake.env, ALLOWED_GITHUB_USERS: '*', CLIENT_LIFETIME: '0', OLD_REDIS_URL: redis?.url ?? '' };
  const yaml = `
servers: [{ key: plain, title: Plain, transport: { kind: http, url: '${upstream.url}/mcp' } }]
enablements: [{ organization: default, server: plain, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
`;
  t = await startImportWorld({ env, yaml });
  mkdirSync(join(t.folder, 'old'));
  writeFileSync(join(t.folder, 'old/.env'), dotenv);
  const texts = Object.entries(entries).map(([key, value]) => [
    key,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  for (const [key = '', value = ''] of texts) await redis?.send('SET', key, value);
  await redis?.send('SADD', 'oauth:user_tokens:octocat', 'abc');
  const backup = {
    created: '2026-01-01',
    keys: Object.fromEntries(texts.map(([key, value]) => [key, { value, ttl: -1 }])),
  };
  writeFileSync(join(t.folder, 'backup.json'), JSON.stringify(backup));
  source = redis ? ['old', 'env:OLD_REDIS_URL'] : ['old', 'backup.json'];
  app = await t.open();
}, 120_000);
afterAll(async () => {
  await t?.close();
  await Promise.all([upstream?.close(), fake?.close(), redis?.close()]);
});

const changed = ({ changes }: ImportReport) => changes.map(({ action, what }) => `${action} ${what}`);
const text = z.record(z.string(), z.unknown());

test('a dry run names the clients and what becomes of each setting, and shows no secret [S1.45] [S1.46]', async () => {
  const { code, out, err } = await t.run('github-oauth', ...source, '--dry-run');
  expect([code, out]).toEqual([0, expect.stringContaining(`+ client ${id}`)]);
  for (const hidden of [secret, token, 'hush', 'a-token-that', 'kQ7vX2']) expect(out + err).not.toContain(hidden);
  for (const name of ['client_expired', 'client_liar', 'client_script', 'not-ours', 'client_torn'])
    expect(err).toContain(`Left out: client "${name}"`);
  expect(err).toContain('redirect URI "http://localhost.evil.example/cb"');
  expect(err).toContain('oauth:refresh, 1 entries: everybody signs in anew');
  expect(err).toContain('Setting GATEWAY_JWT_SECRET: is read as it is, as ENCRYPTION_KEY');
  expect(err).toContain('Setting MCP_FETCH_ENABLED: is read as it is');
  expect(err).toContain('Setting MCP_HOMEMADE_URLS: names a server that does not come along');
  expect(err).toContain('Setting ACME_EMAIL: has no effect');
  expect(err).toContain('Setting OAUTH_INVENTED: has no effect');
  expect(await t.sql('select from gateway.oauth_clients')).toEqual([]);
});

test('a client signs its person in with the id and secret that it had, and nobody has them in the clear [S1.9] [S1.15] [S1.46]', async () => {
  expect((await t.report('github-oauth', ...source, '--yes')).applied).toBe(true);
  const issuer = `http://localhost:${new URL(app.url).port}`;
  const resource = `${issuer}/mcp/plain`;
  const asked = authorization({ issuer, clientId: id, redirectUri, resource });
  const jar = openBrowserJar((to) => to.startsWith(redirectUri));
  const done = await jar.submit(await jar.open(asked.url), { with: 'github' });
  const body = new URLSearchParams({
    ...{ grant_type: 'authorization_code', client_id: id, client_secret: secret, redirect_uri: redirectUri, resource },
    ...{ code: new URL(done.url).searchParams.get('code') ?? '', code_verifier: asked.verifier },
  });
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const tokens = text.parse((await send(`${issuer}/token`, { headers, body: body.toString() })).json);
  const answer = await send(resource, { headers: bearer(String(tokens.access_token)), body: call('echo') });
  expect(answer.status).toBe(200);
  const rows = JSON.stringify(await t.sql('select * from gateway.oauth_clients'));
  for (const hidden of [secret, token, 'evil.example', 'javascript:']) expect(rows).not.toContain(hidden);
});

test('its registration is managed with the token that it had, and with no other [S1.9]', async () => {
  const url = `http://localhost:${new URL(app.url).port}/register/${id}`;
  const read = await send(url, { method: 'GET', headers: bearer(token) });
  expect([read.status, text.parse(read.json)]).toEqual([
    200,
    expect.objectContaining({ client_id: id, client_id_issued_at: issued, redirect_uris: [redirectUri] }),
  ]);
  expect((await send(url, { method: 'GET', headers: bearer(`${token}x`) })).status).toBe(403);
});

test('a second time there is nothing to change; a backup says the same as Redis', async () => {
  for (const sources of [source, ['old', 'backup.json']]) {
    const again = await t.report('github-oauth', ...sources, '--yes');
    expect([changed(again), again.applied]).toEqual([[], false]);
  }
  const here = await startImportWorld();
  try {
    writeFileSync(join(here.folder, 'clients.json'), JSON.stringify([stored()]));
    expect(changed(await here.report('github-oauth', 'clients.json', '--yes'))).toEqual([`add client ${id}`]);
    const gone = await here.run('github-oauth', 'redis://:hush-hush@127.0.0.1:9', '--dry-run');
    expect([gone.code, gone.err.includes('hush')]).toEqual([1, false]);
  } finally {
    await here.close();
  }
});
