import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
}, 120_000);
afterAll(() => database.close());

const env = () => ({ DATABASE_URL: database.url, ENCRYPTION_KEY: key });
const flags = (name: string, more: readonly string[] = []) => [
  ...['db', 'create-collection', '--name', name, '--organization-id', 'org_123', '--partition', 'soc2'],
  ...['--ragie-api-key', 'tnt_canary', '--allowed-roles', 'admin, member', ...more],
];

test('db init makes the schema, a second time changes nothing [S0.30]', async () => {
  const url = await createEmptyDatabase();
  for (let time = 0; time < 2; time++) {
    expect(await cli(['db', 'init', '--json'], { env: { DATABASE_URL: url } })).toMatchObject({ code: 0, err: '' });
  }
});

test('db init without DATABASE_URL says so and exits 1 [S0.30]', async () => {
  expect(await cli(['db', 'init'])).toEqual({
    code: 1,
    out: '',
    err: 'DATABASE_URL environment variable is required\n',
  });
});

test('db create-collection prints everything but the key, and the endpoint [S0.32] [S0.33]', async () => {
  const { code, out, err } = await cli(flags('policies', ['--filters', '{"department":"legal"}']), { env: env() });
  expect({ code, err }).toEqual({ code: 0, err: '' });
  for (const part of [
    'policies',
    'org_123',
    'soc2',
    'admin, member',
    '{"department":"legal"}',
    'POST /org_123/mcp/policies',
  ]) {
    expect(out).toContain(part);
  }
  expect(out).toMatch(/ID: +[0-9a-f-]{36}/);
  expect(out).not.toContain('tnt_canary');
  const rows = await database.sql('select * from public.collections');
  expect(rows).toMatchObject([
    {
      name: 'policies',
      organization_id: 'org_123',
      partition: 'soc2',
      allowed_roles: ['admin', 'member'],
      filters: { department: 'legal' },
    },
  ]);
  expect(JSON.stringify(rows)).not.toContain('tnt_canary');
});

test('db create-collection prints JSON and admits everybody with "*"', async () => {
  const args = flags('everybody', ['--json']).map((arg) => (arg === 'admin, member' ? '*' : arg));
  const { code, out } = await cli(args, { env: env() });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({
    id: expect.any(String),
    name: 'everybody',
    organizationId: 'org_123',
    partition: 'soc2',
    allowedRoles: '*',
    filters: null,
    endpoint: 'POST /org_123/mcp/everybody',
  });
});

test('a name that another organization has is free [X0.4]', async () => {
  await cli(flags('shared'), { env: env() });
  const args = flags('shared').map((arg) => (arg === 'org_123' ? 'org_other' : arg));
  expect(await cli(args, { env: env() })).toMatchObject({
    code: 0,
    out: expect.stringContaining('/org_other/mcp/shared'),
  });
});

test('an organization whose slug another one has gets a slug of its own', async () => {
  const args = flags('docs').map((arg) => (arg === 'org_123' ? 'ORG-123' : arg));
  expect(await cli(args, { env: env() })).toMatchObject({
    code: 0,
    out: expect.stringContaining('/ORG-123/mcp/docs'),
  });
});

test('a name that is taken or reserved is refused with one sentence [X0.4]', async () => {
  await cli(flags('twice'), { env: env() });
  expect(await cli(flags('twice'), { env: env() })).toMatchObject({
    code: 1,
    err: expect.stringContaining('"twice" exists already'),
  });
  expect(await cli(flags('sse'), { env: env() })).toMatchObject({ code: 1, err: expect.stringContaining('reserved') });
});

test('some but not all flags list the required ones and exit 1 [S0.33]', async () => {
  const { code, err } = await cli(['db', 'create-collection', '--name', 'x', '--partition', 'y'], { env: env() });
  expect(code).toBe(1);
  for (const flag of ['--name', '--organization-id', '--partition', '--ragie-api-key', '--allowed-roles']) {
    expect(err).toContain(flag);
  }
});

test.each(['{', '[]', 'null', '"x"', '1'])('filters %s must be valid JSON, exit 1 [S0.33]', async (filters) => {
  const { code, err } = await cli(flags('never', ['--filters', filters]), { env: env() });
  expect(code).toBe(1);
  expect(err).toContain('must be valid JSON');
});

test('questions are repeated until what is required is answered [S0.31]', async () => {
  const input = ['', 'asked', 'org_9', '', 'p9', 'tnt_9', '*', '{', '{"a":1}'];
  const { code, out, err } = await cli(['db', 'create-collection'], { env: env(), input });
  expect(code).toBe(0);
  expect(err.match(/This field is required\./g)).toHaveLength(2);
  expect(err).toContain('must be valid JSON');
  expect(out).toContain('POST /org_9/mcp/asked');
  expect(out).toContain('{"a":1}');
});

test('questions that nobody answers end with exit 1', async () => {
  expect(await cli(['db', 'create-collection'], { env: env(), input: ['only-a-name'] })).toMatchObject({
    code: 1,
    err: expect.stringContaining('nothing was made'),
  });
});

test.each([
  [{ ENCRYPTION_KEY: key }, 'DATABASE_URL environment variable is required'],
  [{ DATABASE_URL: 'postgresql://x/y' }, 'ENCRYPTION_KEY environment variable is required'],
  [{ DATABASE_URL: 'postgresql://x/y', ENCRYPTION_KEY: 'short' }, 'at least 32 characters'],
])('db create-collection needs a database and a key [S0.34]', async (given, message) => {
  expect(await cli(flags('x'), { env: given })).toMatchObject({ code: 1, err: expect.stringContaining(message) });
});

test('--help and -h print the flags, and what a Ragie key looks like [S0.32] [S0.35]', async () => {
  for (const flag of ['--help', '-h']) {
    const { code, out } = await cli(['db', 'create-collection', flag]);
    expect(code).toBe(0);
    expect(out).toContain('--ragie-api-key');
    expect(out).toContain('tnt_');
  }
});

test('commands open the database themselves when no gateway runs', async () => {
  const options = { env: { ...env(), DATA_DIR: '/nonexistent/data' } };
  expect(await cli(['org', 'create', 'local-org', '--name', 'Local'], options)).toMatchObject({ code: 0 });
  expect((await cli(['org', 'list'], options)).out).toContain('local-org');
  const made = await cli(
    ['key', 'create', '--org', 'local-org', '--name', 'ci', '--roles', 'a,b', '--expires', '30d', '--json'],
    options,
  );
  expect(JSON.parse(made.out)).toMatchObject({
    name: 'ci',
    org: 'local-org',
    roles: ['a', 'b'],
    key: expect.stringMatching(/^gw_/),
  });
  const { id } = JSON.parse(made.out);
  expect((await cli(['key', 'revoke', id, '--org', 'local-org'], options)).code).toBe(0);
  expect((await cli(['key', 'list', '--org', 'local-org'], options)).err).toContain('Nothing there yet');
  expect((await cli(['key', 'list', '--org', 'local-org', '--all'], options)).out).toContain('revoked');
  const collection = [
    'collection',
    'create',
    'c1',
    '--org',
    'local-org',
    '--server',
    'ragie',
    '--partition',
    'p',
    '--credential-env',
    'SECRET',
  ];
  const withSecret = { env: { ...options.env, SECRET: 'tnt_2' } };
  expect(await cli(collection, withSecret)).toMatchObject({
    code: 0,
    err: expect.stringContaining('/local-org/mcp/c1'),
  });
  expect((await cli(['collection', 'list', '--org', 'local-org'], options)).out).toContain('ragie/p');
  expect((await cli(collection, options)).code).toBe(2);
  expect((await cli(['call', 'local-org/c1', 'x'], options)).err).toContain('No gateway runs');
});
