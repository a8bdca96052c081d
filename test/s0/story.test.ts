/**
 * The Ragie/WorkOS gateway's whole story as its operator and its clients live it: an old database, `npm run` scripts,
 * the three WorkOS variables, tokens, and nothing of ours configured.
 */
import { execFile, spawn } from 'node:child_process';
import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { type Answer, bearer, send } from '#kit/http-client.ts';
import { type FakeWorkos, startFakeWorkos } from '#kit/identity/fake-workos.ts';
import { createEmptyDatabase, sqlOf } from '#kit/postgres.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';

const root = new URL('../..', import.meta.url).pathname;
const encryptionKey = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
const run = promisify(execFile);
const ignoredLines = /^(>|npm warn)|^$/;

let database: string;
let workos: FakeWorkos;
let ragie: RecordingUpstream;
let gateway: RunningGateway;
let env: Record<string, string>;
const printed: Record<string, string> = {};

/** As the collection gateway's manager wrote it: base64(iv | ciphertext | tag). */
function oldCiphertext(plain: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv(
    'aes-256-gcm',
    pbkdf2Sync(encryptionKey, 'mcp-gateway-salt', 100_000, 32, 'sha256'),
    iv,
  );
  return Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString('base64');
}

const insertOld = (name: string, roles: string, secret: string, filters = 'null') =>
  sqlOf(
    database,
    `insert into collections (name, organization_id, partition, ragie_api_key, allowed_roles, filters) values
     ('${name}', 'org_123', 'part-${name}', '${oldCiphertext(secret)}', '${roles}'::jsonb, ${filters === 'null' ? 'null' : `'${filters}'::jsonb`})`,
  );

const oldTable = `create table collections (id uuid primary key default gen_random_uuid(), name text not null,
  organization_id text not null, partition text not null, ragie_api_key text not null, allowed_roles jsonb not null,
  filters jsonb, created_at timestamptz not null default now(), updated_at timestamptz not null default now())`;

/** `npm run NAME -- FLAGS` as an operator types it; `lines` are what they answer to questions. */
async function npmRun(name: string, flags: readonly string[] = [], lines: readonly string[] = []): Promise<string> {
  const child = spawn('npm', ['run', '--silent', name, '--', ...flags], {
    cwd: root,
    env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(lines.map((line) => `${line}\n`).join(''));
  const [out, err, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise<number | null>((resolve) => child.once('exit', resolve)),
  ]);
  expect([name, code, err.split('\n').filter((line) => /error/i.test(line))]).toEqual([name, 0, []]);
  return `${out}${err}`;
}

beforeAll(async () => {
  [database, workos, ragie] = await Promise.all([
    createEmptyDatabase(),
    startFakeWorkos({
      organizations: {
        org_123: { user_admin: ['admin'], user_member: ['member'] },
        org_999: { user_stranger: ['admin'] },
      },
    }),
    startRecordingUpstream(),
  ]);
  const inherited = { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '' };
  env = { ...inherited, DATABASE_URL: database, ENCRYPTION_KEY: encryptionKey };
  await sqlOf(database, oldTable);
  await insertOld('handbook', '["admin","member"]', 'tnt_old', '{"team":"blue"}');
  printed.first = await npmRun('db:init');
  printed.second = await npmRun('db:init');
  const flags = { name: 'soc2', 'organization-id': 'org_123', partition: 'soc2', 'ragie-api-key': 'tnt_new' };
  const given = { ...flags, 'allowed-roles': 'admin, auditor', filters: '{"department":"legal"}' };
  printed.flags = await npmRun(
    'db:create-collection',
    Object.entries(given).flatMap(([name, value]) => [`--${name}`, value]),
  );
  const answers = ['', 'everyone', 'org_123', 'all', 'tnt_asked', '*', ''];
  printed.asked = await npmRun('db:create-collection', [], answers);
  gateway = await startGateway({
    configYaml: '',
    env: { ...workos.env, DATABASE_URL: database, ENCRYPTION_KEY: encryptionKey, RAGIE_BASE_URL: `${ragie.url}/` },
  });
}, 180_000);
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([workos?.close(), ragie?.close()]);
});
beforeEach(() => ragie?.clear());

const example = (query: string, filter?: unknown) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'tools/call',
  params: { name: 'retrieve', arguments: { query, ...(filter === undefined ? {} : { filter }) } },
});

async function retrieve(collection: string, user: string | undefined, body: unknown = example('q')): Promise<Answer> {
  const headers = user === undefined ? {} : bearer(await workos.signToken({ sub: user }));
  return send(`${gateway.url}/org_123/mcp/${collection}`, { headers, body });
}
const baseUrl = () => gateway.url.replace('127.0.0.1', 'localhost');
const metadataOf = (collection: string) =>
  `resource_metadata="${baseUrl()}/.well-known/oauth-protected-resource/org_123/mcp/${collection}"`;

describe('the operator', () => {
  test('runs db:init on the old database as often as they like [S0.30]', () => {
    for (const output of [printed.first, printed.second]) {
      expect(output?.split('\n').filter((line) => !ignoredLines.test(line)).length).toBeGreaterThan(0);
    }
  });

  test('makes a collection with flags and reads its endpoint [S0.32] [S0.33]', () => {
    expect(printed.flags).toContain('POST /org_123/mcp/soc2');
    expect(printed.flags).not.toContain('tnt_new');
  });

  test('makes a collection by answering questions, which insist on what is required [S0.31]', () => {
    expect(printed.asked).toContain('This field is required.');
    expect(printed.asked).toContain('POST /org_123/mcp/everyone');
    expect(printed.asked).not.toContain('tnt_asked');
  });

  test('is told what is missing and gets exit code 1 [S0.23] [S0.33]', async () => {
    const failing = (args: readonly string[], more: Record<string, string> = {}) =>
      run(process.execPath, [`${root}src/main.ts`, ...args], { cwd: '/', env: { ...env, ...more } });
    await expect(failing(['db', 'create-collection', '--name', 'x'])).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('--ragie-api-key'),
    });
    await expect(failing(['db', 'init'], { DATABASE_URL: '' })).rejects.toMatchObject({ code: 1 });
    await expect(failing(['serve'], { WORKOS_API_KEY: 'sk_test_x' })).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('environment variable is required'),
    });
  });

  test('finds everything in the log, and no secret in it [S0.42]', async () => {
    await retrieve('soc2', 'user_admin');
    await expect.poll(() => gateway.output()).toContain('POST /org_123/mcp/soc2 200');
    expect(gateway.output()).not.toMatch(/tnt_|eyJ/);
  });
});

describe('a client', () => {
  test('sees at /welcome that the setup is complete [S0.11]', async () => {
    const answer = await send(`${gateway.url}/welcome`, { method: 'GET', headers: { accept: 'text/html' } });
    expect(answer.status).toBe(200);
    expect(answer.headers['content-type']).toContain('text/html');
    expect(answer.text.toLowerCase()).toContain('setup complete');
  });

  test('discovers WorkOS by the well-known documents, without a token [S0.10] [S0.12] [S0.13]', async () => {
    const get = (path: string) => send(gateway.url + path, { method: 'GET', headers: { accept: 'application/json' } });
    const resource = await get('/.well-known/oauth-protected-resource');
    expect(resource.status).toBe(200);
    expect(resource.json).toEqual({
      resource: `${baseUrl()}/`,
      authorization_servers: [workos.issuer],
      bearer_methods_supported: ['header'],
    });
    const server = await get('/.well-known/oauth-authorization-server');
    expect(server.json).toEqual(await (await fetch(`${workos.issuer}/.well-known/oauth-authorization-server`)).json());
  });

  test('without a token gets 401 and the way to the metadata [S0.15] [S0.16] [X0.4]', async () => {
    const answer = await retrieve('soc2', undefined);
    expect([answer.status, answer.json]).toEqual([401, { error: 'No token provided.' }]);
    expect(answer.headers['www-authenticate']).toBe(`Bearer ${metadataOf('soc2')}`);
    expect(ragie.requests).toEqual([]);
  });

  test('with a bad token gets 401 that says so [S0.2] [S0.15] [S0.16]', async () => {
    for (const token of ['nonsense', await workos.signToken({ sub: 'user_admin', iss: 'https://elsewhere.example' })]) {
      const answer = await send(`${gateway.url}/org_123/mcp/soc2`, { headers: bearer(token), body: example('q') });
      expect([answer.status, answer.json]).toEqual([401, { error: 'Invalid bearer token.' }]);
      expect(answer.headers['www-authenticate']).toBe(`Bearer error="invalid_token", ${metadataOf('soc2')}`);
    }
    expect(ragie.requests).toEqual([]);
  });

  test('who is no active member learns nothing but 403 [S0.3] [S0.6] [S0.15] [S0.16]', async () => {
    workos.setMembership('user_left', 'org_123', { roles: ['admin'], status: 'inactive' });
    for (const user of ['user_stranger', 'user_left']) {
      for (const collection of ['soc2', 'no-such-collection']) {
        const answer = await retrieve(collection, user);
        expect([user, answer.status, answer.json]).toEqual([user, 403, { error: 'Access denied' }]);
        expect(answer.headers['www-authenticate']).toBe(`Bearer ${metadataOf(collection)}`);
      }
    }
    expect(ragie.requests).toEqual([]);
  });

  test('a member without an allowed role gets 403, without a collection 404 [S0.4] [S0.5] [S0.6] [S0.15]', async () => {
    const denied = await retrieve('soc2', 'user_member');
    expect([denied.status, denied.json]).toEqual([403, { error: 'Access denied' }]);
    const unknown = await retrieve('no-such-collection', 'user_member');
    expect([unknown.status, unknown.json]).toEqual([404, { error: 'Collection not found' }]);
    expect(ragie.requests).toEqual([]);
  });

  test('with an allowed role reaches its partition under its key and filters [S0.1] [S0.7] [S0.8] [S0.14] [S0.17] [S0.18] [S0.46]', async () => {
    const body = example('What is our leave policy?', { department: 'sales', year: 2026 });
    const answer = await retrieve('soc2', 'user_admin', body);
    expect(answer.status).toBe(200);
    const [sent] = ragie.requests;
    expect([sent?.method, sent?.target]).toEqual(['POST', '/mcp/soc2/']);
    expect(sent?.headers.authorization).toBe('Bearer tnt_new');
    expect(sent?.headers.host).toBe(new URL(ragie.url).host);
    expect(sent?.headers['content-type']).toContain('application/json');
    expect(sent?.headers['content-length']).toBe(String(sent?.body.length));
    expect(sent?.rpc).toMatchObject({ id: 1, method: 'tools/call', params: { name: 'retrieve' } });
    expect(sent?.rpc.params?.arguments).toEqual({
      query: 'What is our leave policy?',
      filter: { department: 'legal', year: 2026 },
    });
  });

  test('"*" admits every active member [S0.4]', async () => {
    expect((await retrieve('everyone', 'user_member')).status).toBe(200);
    expect(ragie.requests[0]?.headers.authorization).toBe('Bearer tnt_asked');
  });

  test('a row that the older gateway wrote works as it stands [S0.25] [S0.26] [S0.27]', async () => {
    expect((await retrieve('handbook', 'user_member', example('q', { team: 'red' }))).status).toBe(200);
    const [sent] = ragie.requests;
    expect([sent?.target, sent?.headers.authorization]).toEqual(['/mcp/part-handbook/', 'Bearer tnt_old']);
    expect(sent?.rpc.params?.arguments).toMatchObject({ filter: { team: 'blue' } });
  });

  test('a row that the manager app writes while the gateway runs works at once [S0.25] [S0.26]', async () => {
    await insertOld('fresh', '"*"', 'tnt_fresh');
    await expect.poll(async () => (await retrieve('fresh', 'user_member')).status).toBe(200);
    const last = ragie.requests.at(-1);
    expect([last?.target, last?.headers.authorization]).toEqual(['/mcp/part-fresh/', 'Bearer tnt_fresh']);
  });
});
