/** `gatehouse request`, `app`, `token`, `session`, `access`, `who-can`; and that every list is one JSON document without a secret. */
import type { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { buildProgram } from '#cli/program.ts';
import { cli } from '#kit/run-cli.ts';
import type { Person } from '#kit/signed-in-world.ts';
import { openPeopleWorld, type PeopleWorld, soon } from './people-world.ts';

const row = z.record(z.string(), z.unknown());
const rows = z.array(row);
const scope = 'admin:* mcp:read mcp:write';

let t: PeopleWorld;
let ada: Person;
let bob: Person;
let env: Readonly<Record<string, string>>;

beforeAll(async () => {
  t = await openPeopleWorld();
  ada = await t.person('ada@example.com', { acme: [] }, scope);
  bob = await t.person('bob@example.com', { acme: [] }, scope);
  env = { DATA_DIR: t.world.gateways[0]?.dataDir ?? '' };
}, 120_000);
afterAll(() => t?.close());

const run = (...args: readonly string[]) => cli([...args, '--org', 'acme'], { env });
/** What a command prints as JSON. */
async function json(...args: readonly string[]): Promise<unknown> {
  const { code, out, err } = await run(...args, '--json');
  expect([args.join(' '), code, err]).toEqual([args.join(' '), 0, '']);
  return JSON.parse(out);
}
const ask = async (who: Person, what: object) => {
  const { json: made } = await t.admin('POST /organizations/acme/me/access-requests', {
    as: who.accessToken,
    body: what,
  });
  return String(made.id);
};

test('requests are listed, approved, in part too, and refused with a word', async () => {
  const [first, second] = [
    await ask(ada, { collection: 'staff', reason: 'for the report' }),
    await ask(bob, { collection: 'staff', reason: 'me too' }),
  ];
  const table = await run('request', 'list', '--state', 'open');
  expect(table.out).toMatch(/ada@example\.com +collection staff +\* +open .*for the report/);
  expect(rows.parse(await json('request', 'ls')).map(({ id }) => id)).toEqual(expect.arrayContaining([first, second]));
  expect(await json('request', 'approve', first, '--word', 'welcome')).toMatchObject({
    state: 'approved',
    word: 'welcome',
  });
  await soon(() => t.callTool(ada.accessToken, '/acme/mcp/staff')).toBe(200);
  expect((await run('request', 'refuse', second)).code).toBe(2);
  expect((await run('request', 'refuse', second, '--word', 'not yet')).err).toBe('bob@example.com is told: not yet\n');
  expect((await run('request', 'approve', second)).code).toBe(1);
  expect(rows.parse(await json('request', 'list', '--state', 'open'))).toEqual([]);
  expect((await run('request', 'list', '--state', 'maybe')).code).toBe(2);
});

test('what somebody may use is shown, and who may use something', async () => {
  const shown = row.parse(await json('access', 'show', 'ada@example.com'));
  expect(shown).toMatchObject({ roles: [], isAdministrator: false });
  const admitted = rows.parse(shown.items).map(({ endpoint, admitted: is }) => [endpoint, is]);
  expect(admitted).toEqual(
    expect.arrayContaining([
      ['docs', true],
      ['staff', true],
    ]),
  );
  const { out, err } = await run('access', 'show', 'bob@example.com', 'staff');
  expect(err).toBe('bob@example.com: roles none; groups none\n');
  expect(out).toMatch(/^staff +- +grant/m);
  const who = rows.parse(await json('who-can', 'staff', 'retrieve'));
  expect(Object.fromEntries(who.map(({ email, answer }) => [String(email), answer]))).toMatchObject({
    ...{ 'ada@example.com': 'allow', 'bob@example.com': 'grant' },
  });
  expect((await run('who-can', 'staff')).out).toMatch(/^ada@example\.com +allow +grant/m);
  expect((await run('access', 'show', 'nobody@example.com')).code).toBe(2);
  expect((await run('who-can', 'nothing')).code).toBe(1);
});

test('applications are kept out and let in, tokens taken back', async () => {
  const { client, accessToken } = await t.person('zoe@example.com', { acme: [], other: [] }, scope);
  const call = () => t.callTool(accessToken, '/acme/mcp/docs');
  const apps = rows.parse(await json('app', 'list'));
  expect(apps.map(({ client: id }) => id)).toContain(ada.client.id);
  expect(await json('app', 'block', client.id, '--reason', 'a leak')).toMatchObject({ blocked: true });
  await soon(call).toBe(403);
  expect((await run('app', 'list')).out).toMatch(/kept out: a leak/);
  expect((await run('app', 'unblock', client.id)).err).toBe(`${client.id} may be let in again.\n`);
  await soon(call).toBe(200);
  const tokens = rows.parse(await json('token', 'list', '--user', 'ada@example.com'));
  expect(tokens.length).toBeGreaterThan(0);
  expect(JSON.stringify(tokens)).not.toContain(ada.accessToken);
  expect((await run('token', 'revoke')).code).toBe(2);
  expect((await run('token', 'revoke', String(tokens[0]?.id), '--all')).code).toBe(2);
  expect(await json('token', 'revoke', '--user', 'ada@example.com')).toEqual({ revoked: tokens.length });
  await soon(() => t.callTool(ada.accessToken, '/acme/mcp/docs')).toBe(401);
  expect((await run('token', 'list', '--user', 'ada@example.com')).err).toBe('Nothing there yet.\n');
  expect(await t.callTool(bob.accessToken, '/acme/mcp/docs')).toBe(200);
});

test('sessions that are open are seen and ended', async () => {
  const stream = await t.openCall(bob, '/acme/mcp/docs');
  const open = async () => rows.parse(await json('session', 'list', '--user', 'bob@example.com'));
  await expect.poll(async () => (await open()).map(({ kind }) => kind), { timeout: 3000 }).toContain('call');
  const call = (await open()).find(({ kind }) => kind === 'call');
  expect((await run('session', 'list')).out).toContain(String(call?.id));
  expect((await run('session', 'end')).code).toBe(2);
  expect((await run('session', 'end', String(call?.id))).err).toBe('Ended: 1.\n');
  expect((await run('session', 'end', String(call?.id))).code).toBe(1);
  expect(await json('session', 'end', '--user', 'bob@example.com')).toEqual({ ended: expect.any(Number) });
  stream.close();
});

const leavesOf = (command: Command, words: readonly string[] = []): readonly (readonly string[])[] =>
  command.commands.length === 0 ? [words] : command.commands.flatMap((each) => leavesOf(each, [...words, each.name()]));

test('every list, and what else is only read, is one JSON document, with no secret in it [H6]', async () => {
  const made = row.parse(await json('key', 'create', '--name', 'canary'));
  const client = row.parse(await json('client', 'create', 'canary', '--grants', 'client_credentials'));
  await t.good('POST /organizations/acme/credentials', { server: 'plain', credential: 'canary-upstream' });
  const { key } = made;
  const program = buildProgram({ out: () => undefined, err: () => undefined } as never, '1.2.3');
  const lists = leavesOf(program).filter((words) => words.at(-1) === 'list');
  const reads = [['server', 'health'], ['export'], ['schema'], ['secrets', 'status'], ['audit', 'verify']];
  expect(lists.length).toBeGreaterThan(20);
  for (const words of [...lists, ...reads]) {
    const command = words.reduce((at, word) => at.commands.find((each) => each.name() === word) ?? at, program);
    const isOf = command.options.some(({ long }) => long === '--org');
    const { code, out } = await cli([...words, ...(isOf ? ['--org', 'acme'] : []), '--json'], { env });
    expect([words, code]).toEqual([words, 0]);
    expect(JSON.parse(out)).toBeInstanceOf(Object);
    for (const secret of [key, client.secret, 'canary-upstream'])
      expect([words, out]).not.toEqual([words, expect.stringContaining(String(secret))]);
  }
}, 60_000);

test('of somebody who was shut out it is said that they may use nothing', async () => {
  const carl = await t.person('carl@example.com', { acme: [] }, scope);
  const [found] = rows.parse(JSON.parse((await cli(['person', 'list', 'carl@example.com', '--json'], { env })).out));
  expect((await cli(['person', 'deactivate', String(found?.id)], { env })).code).toBe(0);
  await soon(() => t.callTool(carl.accessToken, '/acme/mcp/staff')).toBe(401);
  const { code, err } = await run('access', 'show', 'carl@example.com');
  expect([code, err]).toEqual([1, 'This person cannot sign in here: they may use nothing\n']);
});
