/** Configuration as code: plan, apply and export, on a database without a gateway and against a running one. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

const key = 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB';
let databases: readonly TestDatabase[] = [];
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-plan-'));

beforeAll(async () => {
  databases = [await createTestDatabase(), await createTestDatabase()];
}, 120_000);
afterAll(async () => {
  for (const database of databases) await database.close();
});

interface More {
  readonly at?: number;
  readonly env?: Record<string, string>;
  /** Somebody at a terminal. */
  readonly input?: Readable;
}

const run = (args: readonly string[], more: More = {}) =>
  cli(args, {
    cwd: folder,
    ...(more.input && { person: more.input }),
    env: {
      ...{ DATABASE_URL: databases[more.at ?? 0]?.url, ENCRYPTION_KEY: key, DATA_DIR: join(folder, 'data') },
      ...{ DOCS_KEY: 'docs-canary', ...more.env },
    },
  });

function file(text: string, name = 'acme.yaml'): string {
  writeFileSync(join(folder, name), text);
  return name;
}

const base = `
organizations: [{ slug: acme, name: Acme, externalId: org_acme }]
servers:
  - { key: docs, transport: { kind: http, url: 'https://docs.example.com/mcp' } }
  - { key: files, title: Files, transport: { kind: http, url: 'https://files.example.com/mcp' }, trusted: true }
collections:
  - organization: acme
    name: handbook
    allowedRoles: [member]
    bindings:
      - { server: docs, credential: '\${DOCS_KEY}', enforced: { retrieve: { filter: { department: people } } } }
credentials:
  - { organization: acme, server: files, group: Finance, credential: '\${DOCS_KEY}' }
enablements: [{ organization: acme, server: files, allowedRoles: [admin] }]
groups:
  - { organization: acme, name: Finance, members: [ada@acme.example], grants: [{ server: files, tools: [read, list] }] }
grants: [{ organization: acme, email: Bob@acme.example, collection: handbook }]
policies: [{ organization: acme, name: all, server: docs, policies: 'permit(principal, action, resource);' }]
limits: { rules: [{ organization: acme, counts: organization, points: 100 }] }
`;

test('a plan changes nothing, apply makes everything, and then there is nothing to do', async () => {
  const path = file(base);
  const plan = await run(['plan', path, '--detailed-exitcode']);
  expect(plan).toMatchObject({ code: 2, err: '' });
  for (const line of [
    '+ organization acme',
    '+ collection acme/handbook',
    '+ group acme/Finance',
    '+ policies acme/all',
  ])
    expect(plan.out).toContain(line);
  expect(plan.out).toContain('+ group Finance gains acme/files: list, read');
  expect(plan.out).toContain('+ role member gains acme/handbook (docs): every tool');
  expect(plan.out).toContain('+ ada@acme.example gains acme/files: list, read');
  expect(plan.out).not.toContain('canary');
  expect((await run(['org', 'list'])).out).not.toContain('acme');
  expect((await run(['apply', path])).code).toBe(2);
  expect(await run(['apply', path, '--yes'])).toMatchObject({ code: 0, err: expect.stringContaining('Applied: ') });
  const again = await run(['plan', path, '--detailed-exitcode']);
  expect(again).toMatchObject({ code: 0, out: expect.stringContaining('Nothing to change') });
});

test('a real change says who gains and who loses which tools', async () => {
  const path = file(
    base
      .replace('tools: [read, list]', 'tools: [read, write]')
      .replace('allowedRoles: [member]', 'allowedRoles: [admin]')
      .replace('title: Files', 'title: Papers'),
    'changed.yaml',
  );
  const { out } = await run(['plan', path]);
  expect(out).toContain('~ server files\n    title: "Files" → "Papers"');
  expect(out).toContain('+ group Finance gains acme/files: write');
  expect(out).toContain('- group Finance loses acme/files: list');
  expect(out).toContain('- role member loses acme/handbook (docs): every tool');
  expect(out).toContain('+ role admin gains acme/handbook (docs): every tool');
  expect(out).toMatch(/Plan: 0 to make, \d to change, 0 to remove\./);
  const json = JSON.parse((await run(['plan', path, '--json'])).out);
  expect(json).toMatchObject({ applied: false });
  expect(json.access).toContainEqual({
    ...{ organization: 'acme', who: { kind: 'group', name: 'Finance' }, endpoint: 'files', server: 'files' },
    ...{ gains: ['write'], loses: ['list'] },
  });
});

test('a secret that changes is planned without being shown', async () => {
  const { out } = await run(['plan', 'acme.yaml'], { env: { DOCS_KEY: 'other-canary' } });
  expect(out).toContain('~ collection acme/handbook (a secret, or whose it is)');
  expect(out).not.toContain('canary');
});

test('what a file no longer has stays until it is to be pruned', async () => {
  const path = file(base.replace(/policies: .*\n/, '').replace(/grants: \[\{ organization.*\n/, ''), 'less.yaml');
  expect((await run(['plan', path])).out).toContain('Nothing to change');
  const { out } = await run(['plan', path, '--prune']);
  expect(out).toContain('- policies acme/all');
  expect(out).toContain('- grant acme/bob@acme.example/handbook');
  expect(out).toContain('- bob@acme.example loses acme/handbook (docs): every tool');
});

test('nothing is half applied: what is wrong at the end undoes the beginning', async () => {
  const path = file(
    `${base.replace('name: Acme,', 'name: Renamed,')}`.replace("'permit(principal", "'nonsense(principal"),
  );
  const { code, err } = await run(['apply', path, '--yes']);
  expect(code).toBe(1);
  expect(err).toContain('policies acme/all');
  expect((await run(['org', 'list'])).out).not.toContain('Renamed');
  file(base);
});

test('what was agreed to is applied, or nothing: the gateway may have changed while somebody read the plan', async () => {
  const named = (name: string, path: string) => file(base.replace('name: Acme,', `name: ${name},`), path);
  const agreed = named('Renamed', 'agreed.yaml');
  async function* answers() {
    await run(['apply', named('Meanwhile', 'meanwhile.yaml'), '--yes']);
    yield 'yes\n';
  }
  const { code, err } = await run(['apply', agreed], { input: Readable.from(answers()) });
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringContaining('changed since the plan was made') });
  expect((await run(['org', 'list'])).out).toContain('Meanwhile');
  await run(['apply', file(base), '--yes']);
});

test('what the API made is refused, or adopted', async () => {
  await run(['org', 'create', 'other', '--name', 'Other']);
  await run(['collection', 'create', 'mine', '--org', 'other', '--server', 'files']);
  const collection = '{ organization: other, name: mine, allowedRoles: [x], bindings: [{ server: files }] }';
  const path = file(`organizations: [{ slug: other, name: Other }]\ncollections: [${collection}]`, 'other.yaml');
  expect((await run(['plan', path])).err).toContain('was made by the API');
  expect((await run(['plan', path, '--adopt'])).out).toContain('~ collection other/mine');
});

test('an export has no secret, and applied to an empty gateway makes the same', async () => {
  const exported = await run(['export', '-o', 'all.yaml']);
  expect(exported.code).toBe(0);
  const text = readFileSync(join(folder, 'all.yaml'), 'utf8');
  expect(text).not.toContain('canary');
  expect(text).toContain('# yaml-language-server: $schema=');
  const env = { ACME_HANDBOOK_DOCS_KEY: 'docs-canary', ACME_FINANCE_FILES_KEY: 'docs-canary' };
  for (const name of Object.keys(env)) expect(text).toContain(`credential: \${${name}}`);
  expect((await run(['apply', 'all.yaml', '--yes'], { at: 1 })).err).toContain('is not set: set ACME_');
  expect(await run(['apply', 'all.yaml', '--yes'], { at: 1, env })).toMatchObject({ code: 0 });
  expect((await run(['export'], { at: 1 })).out).toBe(text);
  expect((await run(['plan', 'all.yaml'], { at: 1, env })).out).toContain('Nothing to change');
});

test('what is wrong in the file is said with its line', async () => {
  const { code, err } = await run(['plan', file('organizations:\n  - { slug: acme, nam: Acme }\n', 'wrong.yaml')]);
  expect({ code, err }).toMatchObject({ code: 1, err: expect.stringMatching(/^wrong.yaml:2:\d+: organizations\[0\]/) });
  const literal = file('credentials: [{ organization: a, server: b, credential: literal }]', 'literal.yaml');
  expect((await run(['plan', literal])).err).toContain('write a reference');
});

test('programs come back with their sealed variables, and servers with how long they may take', async () => {
  const text = `
organizations: [{ slug: acme, name: Acme }]
servers:
  - key: runner
    transport: { kind: stdio, command: /bin/cat, env: { MODE: quick } }
    variables: { API_TOKEN: '\${RUNNER_TOKEN}', OTHER: '\${RUNNER_OTHER}' }
  - { key: slow, transport: { kind: http, url: 'https://slow.example.com/mcp' }, totalTimeoutMs: 90000 }
`;
  const path = file(text, 'programs.yaml');
  const env = { RUNNER_TOKEN: 'canary-token', RUNNER_OTHER: 'canary-other' };
  const fresh = await createTestDatabase();
  databases = [...databases, fresh, await createTestDatabase()];
  expect(await run(['apply', path, '--yes'], { at: 2, env })).toMatchObject({ code: 0 });
  expect((await run(['plan', path], { at: 2, env })).out).toContain('Nothing to change');
  expect(JSON.stringify(await fresh.sql('select * from gateway.server_variables'))).not.toContain('canary');
  expect((await run(['export', '-o', 'again.yaml'], { at: 2 })).code).toBe(0);
  const exported = readFileSync(join(folder, 'again.yaml'), 'utf8');
  expect(exported).not.toContain('canary');
  const named = { RUNNER_API_TOKEN: 'canary-token', RUNNER_OTHER: 'canary-other' };
  for (const name of Object.keys(named)) expect(exported).toContain(`\${${name}}`);
  expect(exported).toMatch(/totalTimeoutMs: 90000/);
  expect((await run(['apply', 'again.yaml', '--yes'], { at: 3, env: {} })).err).toContain('is not set: set RUNNER_');
  expect(await run(['apply', 'again.yaml', '--yes'], { at: 3, env: named })).toMatchObject({ code: 0 });
  expect((await run(['export'], { at: 3 })).out).toBe(exported);
  // Which value it is shows nowhere; that it is another one does.
  const other = await run(['plan', 'again.yaml'], { at: 3, env: { ...named, RUNNER_OTHER: 'canary-new' } });
  expect(other.out).toContain('~ server runner (a secret, or whose it is)');
  expect(other.out).not.toContain('canary');
  const fewer = file(text.replace(/, OTHER: [^}]*}'/, ''), 'fewer.yaml');
  expect((await run(['apply', fewer, '--yes'], { at: 2, env })).code).toBe(0);
  const [row, ...more] = await fresh.sql('select name from gateway.server_variables');
  expect([row, more]).toEqual([{ name: 'API_TOKEN' }, []]);
  // What the file says nothing of stays.
  const silent = file(text.replace(/ {4}variables.*\n/, '').replace(', totalTimeoutMs: 90000', ''), 'silent.yaml');
  expect((await run(['plan', silent], { at: 2 })).out).toContain('Nothing to change');
});

test('sealed variables are references, of programs', async () => {
  const program = (rest: string) => `servers: [{ key: runner, ${rest} }]`;
  const stdio = 'transport: { kind: stdio, command: /bin/cat }';
  const literal = file(program(`${stdio}, variables: { API_TOKEN: in-the-clear }`), 'clear.yaml');
  expect((await run(['plan', literal])).err).toContain('write a reference');
  const http = "transport: { kind: http, url: 'https://a.example/mcp' }";
  const misplaced = file(program(`${http}, variables: { API_TOKEN: '\${DOCS_KEY}' }`), 'misplaced.yaml');
  expect((await run(['plan', misplaced])).err).toContain('are for programs and containers');
});
