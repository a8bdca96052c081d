/** A tool is what its server takes its name for: other forms of the name dodge neither a block, a policy nor a limit. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { askModern } from '#kit/engine-world.ts';
import { type PolicyWorld, startPolicyWorld } from '#kit/policy-world.ts';

let world: PolicyWorld;
beforeAll(async () => {
  world = await startPolicyWorld();
}, 60_000);
afterAll(() => world?.close());

const forms = ['SECRET', 'Secret', ' secret', 'secret ', 'ｓecret', 'sec\u200bret', 'secret\u0000x', 'secret\n'];
const strange = [
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'both_secret',
  'files_secret',
  'jira_secret',
];

const run = async (name: string, endpoint: string) => {
  const before = world.sent('tools/call').length;
  const { text } = await askModern(world.at(endpoint), 'tools/call', { name, arguments: {} }, { key: world.key });
  return { isSent: world.sent('tools/call').length > before, text };
};
const isSent = async (name: string, endpoint = 'files') => (await run(name, endpoint)).isSent;

/** Of the server `files`: alone, in a collection, and among everything. */
const doors = [
  ['files', ''],
  ['both', 'files_'],
  ['', 'both-files_'],
  ['', 'files_'],
] as const;

describe('a tool that is switched off', () => {
  beforeAll(async () => {
    await world.database.sql(`update gateway.enablements set blocked_tools = '["secret"]'::jsonb`);
    await expect.poll(() => isSent('secret')).toBe(false);
  });
  afterAll(() => world.database.sql(`update gateway.enablements set blocked_tools = '[]'::jsonb`));

  test('is off by every address, whatever its name is written like [S4.1]', async () => {
    for (const [door, prefix] of doors)
      for (const name of ['secret', ...forms, ...strange])
        expect([door, name, await isSent(prefix + name, door)]).toEqual([door, name, false]);
    for (const [door, prefix] of doors) expect([door, await isSent(`${prefix}read`, door)]).toEqual([door, true]);
  });
});

describe('a policy of the server', () => {
  beforeAll(async () => {
    await world.put(
      'permit(principal, action, resource); forbid(principal, action, resource == Tool::"secret");',
      '--server',
      'files',
    );
    await expect.poll(() => isSent('secret')).toBe(false);
  });
  afterAll(() => world.remove());

  test('holds by every address, whatever the name is written like [D6] [D7]', async () => {
    for (const [door, prefix] of doors)
      for (const name of ['secret', ...forms, ...strange])
        expect([door, name, await isSent(prefix + name, door)]).toEqual([door, name, false]);
  });

  test('and what is listed is what can be called, at each of them [D6] [S2.27]', async () => {
    for (const door of new Set(doors.map(([name]) => name))) {
      const { text } = await askModern(world.at(door), 'tools/list', {}, { key: world.key });
      const listed = new Set([...text.matchAll(/"name":"([^"]+)"/g)].map(([, name]) => name));
      const prefixes = door === '' ? ['both-files_', 'files_'] : door === 'both' ? ['files_'] : [''];
      for (const prefix of prefixes)
        for (const tool of ['read', 'write', 'secret'])
          expect([door, prefix + tool, listed.has(prefix + tool)]).toEqual([
            door,
            prefix + tool,
            await isSent(prefix + tool, door),
          ]);
    }
  });
});

test('a limit of one tool counts the names that may be taken for it [E7]', async () => {
  await world.database.sql(
    `insert into gateway.limit_rules (org_id, counts, server_id, tool, points, window_seconds, burst)
     select o.id, 'organization', s.id, 'secret', 1, 3600, 0 from gateway.organizations o, gateway.servers s
     where o.slug = 'acme' and s.key = 'files'`,
  );
  await expect.poll(async () => (await run('secret', 'files')).isSent, { timeout: 5000 }).toBe(false);
  for (const name of forms) expect([name, await isSent(name)]).toEqual([name, false]);
  expect(await isSent('read')).toBe(true);
});
