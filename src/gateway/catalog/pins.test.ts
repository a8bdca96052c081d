import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { asServerId, type OrgId, type ServerId } from '#core/ids.ts';
import { type JsonObject, parseJson } from '#core/json.ts';
import { silentLog } from '#core/log.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertOrganization } from '#records/organizations.ts';
import { insertServer } from '#records/servers.ts';
import {
  approveToolPin,
  listToolPins,
  type PinSighting,
  recordSighting,
  rejectToolPin,
  type ToolPin,
} from '#records/tool-pins.ts';
import { openPins, type Pins, type SeenTools } from './pins.ts';

let t: TestDatabase;
let org: OrgId;
let server: ServerId;
let pins: Pins;
let isAway = false;
const clock = { now: () => 1_800_000_000_000, monotonic: () => 0 };

beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

let made = 0;
beforeEach(async () => {
  made += 1;
  const transport = { kind: 'http', url: 'https://tools.example/mcp' } as const;
  [org, server] = await withPlatform(t.db, async (scope) => {
    const organization = await insertOrganization(scope, { slug: `org-${made}`, name: 'One' });
    return [organization.id, (await insertServer(scope, { key: `s${made}`, title: 'S', transport })).id];
  });
  isAway = false;
  pins = open();
});

function open(maxWaiting = 100): Pins {
  return openPins({
    load: (id) => withOrganization(t.db, id, listToolPins),
    save: async (id, sightings) => {
      if (isAway) throw new GatehouseError('storage_unavailable');
      await withOrganization(t.db, id, async (scope) => {
        for (const sighting of sightings) await recordSighting(scope, sighting);
      });
    },
    clock,
    log: silentLog,
    maxWaiting,
  });
}

const tool = (description: string, name = 'find'): JsonObject => ({ name, description, inputSchema: {} });
const see = (tools: readonly JsonObject[], more: Partial<SeenTools> = {}) =>
  pins.check({ org, server, partition: undefined, policy: 'hold', tools, ...more });
const verdictOn = async (seen: JsonObject, more: Partial<SeenTools> = {}) => (await see([seen], more)).get('find');

/** As another replica, or after a restart. */
async function restart(): Promise<readonly ToolPin[]> {
  await pins.close();
  pins = open();
  return withOrganization(t.db, org, listToolPins);
}

async function decide(as: 'approve' | 'reject', hash: string): Promise<ToolPin> {
  const place = { server, partition: '', tool: 'find', hash };
  const pin = await withOrganization(t.db, org, (scope) =>
    as === 'approve' ? approveToolPin(scope, place, clock.now()) : rejectToolPin(scope, place),
  );
  pins.forget(org);
  return pin;
}

test('the first sight is approved and remembered; what changed since is held, the old definition staying published', async () => {
  expect(await verdictOn(tool('Finds.'))).toEqual({ state: 'new', definition: tool('Finds.') });
  expect(await verdictOn(tool('Finds.'))).toEqual({ state: 'approved', definition: tool('Finds.') });
  expect(await verdictOn(tool('Finds!'))).toEqual({ state: 'held', definition: tool('Finds.') });
  const [pin] = await restart();
  expect(pin).toMatchObject({ tool: 'find', approved: { text: JSON.stringify(tool('Finds.')) } });
  expect(pin?.held?.text).toBe(JSON.stringify(tool('Finds!')));
  expect(await verdictOn(tool('Finds!'))).toEqual({ state: 'held', definition: tool('Finds.') });
  expect(await verdictOn(tool('Finds.'))).toEqual({ state: 'approved', definition: tool('Finds.') });
});

test('where the policy blocks, one changed character takes the tool away', async () => {
  await verdictOn(tool('Finds.'), { policy: 'block' });
  await restart();
  const verdict = await verdictOn(tool('Finds!'), { policy: 'block' });
  expect(verdict).toEqual({ state: 'blocked', definition: undefined });
});

test('approval publishes what waited, and only what was looked at', async () => {
  await verdictOn(tool('a'));
  await verdictOn(tool('b'));
  const [pin] = await restart();
  await verdictOn(tool('c'));
  await restart();
  await expect(decide('approve', pin?.held?.hash ?? '')).rejects.toMatchObject({ code: 'conflict' });
  const [now] = await restart();
  await decide('approve', now?.held?.hash ?? '');
  expect(await verdictOn(tool('c'))).toMatchObject({ state: 'approved' });
  expect(await verdictOn(tool('a'))).toMatchObject({ state: 'held', definition: tool('c') });
  await expect(
    withOrganization(t.db, org, (scope) => approveToolPin(scope, { server, partition: '', tool: 'x', hash: '' }, 0)),
  ).rejects.toMatchObject({ code: 'not_found' });
});

test('what was refused is not held again', async () => {
  await verdictOn(tool('a'));
  await verdictOn(tool('b'));
  const [pin] = await restart();
  await decide('reject', pin?.held?.hash ?? '');
  expect(await verdictOn(tool('b'))).toMatchObject({ state: 'held', definition: tool('a') });
  expect((await restart())[0]?.held).toBeUndefined();
});

test('a new tool waits where the policy says so, or where it hides characters', async () => {
  expect(await verdictOn(tool('a'), { newTools: 'hold' })).toMatchObject({ state: 'blocked' });
  const verdicts = await see([tool('read\u202e this', 'other')]);
  expect(verdicts.get('other')).toMatchObject({ state: 'blocked' });
  const found = await restart();
  expect(found.map(({ tool, approved, flags }) => [tool, approved, flags])).toEqual([
    ['find', undefined, []],
    ['other', undefined, [{ path: 'description', character: 'U+202E', kind: 'bidirectional' }]],
  ]);
  await decide('approve', found[0]?.held?.hash ?? '');
  expect(await verdictOn(tool('a'))).toMatchObject({ state: 'approved' });
});

test('two of a name, a name of no use, and what is too large or deep are blocked', async () => {
  const deep = parseJson(`${'['.repeat(100)}${']'.repeat(100)}`);
  const verdicts = await see([
    tool('a'),
    tool('b'),
    tool('x', 'nul\0'),
    tool('x', 'long'.repeat(100)),
    tool('x'.repeat(200_000), 'large'),
    { ...tool('x', 'deep'), _meta: { deep } },
    { description: 'nameless' },
  ]);
  expect([...verdicts.values()].map(({ state }) => state)).toEqual(Array(5).fill('blocked'));
  expect(await restart()).toEqual([]);
});

test('what PostgreSQL could not keep as JSON is kept as it came', async () => {
  const odd = { ...tool('NUL \0 and \ud800'), inputSchema: parseJson('{"maximum":1e400}') };
  await verdictOn(odd, { newTools: 'hold' });
  const [pin] = await restart();
  expect(pin?.held?.text).toBe(JSON.stringify(odd));
});

test('each partition of a server has its own', async () => {
  await verdictOn(tool('a'), { partition: 'p' });
  expect(await verdictOn(tool('b'), { partition: 'q' })).toMatchObject({ state: 'new' });
  expect(await restart()).toHaveLength(2);
});

test('the first of two replicas is right about what was seen first', async () => {
  const other = open();
  const seen: SeenTools = { org, server, partition: undefined, policy: 'hold', tools: [tool('b')] };
  await other.check({ ...seen, tools: [] });
  await verdictOn(tool('a'));
  await pins.close();
  expect((await other.check(seen)).get('find')).toMatchObject({ state: 'new' });
  await other.close();
  other.forget(org);
  expect((await other.check(seen)).get('find')).toMatchObject({ state: 'held', definition: tool('a') });
  await other.close();
});

test('while the database is away nothing is forgotten, and at most so much waits', async () => {
  pins = open(2);
  isAway = true;
  await see([tool('a'), tool('a', 'two'), tool('a', 'three')]);
  pins.forget(org);
  expect(await verdictOn(tool('b'))).toMatchObject({ state: 'held' });
  isAway = false;
  expect((await restart()).map((pin) => pin.tool)).toEqual(['find', 'two']);
});

test('what was seen of a server that is gone is dropped, and nothing else with it', async () => {
  isAway = true;
  await verdictOn(tool('a'), { server: asServerId('0197a000-0000-7000-8000-000000000000') });
  await verdictOn(tool('a'));
  isAway = false;
  expect(await restart()).toHaveLength(1);
});

test('what an organization approved is nothing to another one [C1]', async () => {
  const sighting: PinSighting = {
    server,
    partition: '',
    tool: 'find',
    as: 'approved',
    hash: 'h',
    text: '{}',
    flags: [],
    at: 0,
  };
  await withOrganization(t.db, org, (scope) => recordSighting(scope, sighting));
  const other = await withPlatform(t.db, (scope) => insertOrganization(scope, { slug: `other-${made}`, name: 'Two' }));
  expect(await withOrganization(t.db, other.id, listToolPins)).toEqual([]);
  const own = await withPlatform(t.db, ({ tx }) =>
    tx
      .insertInto('servers')
      .values({ org_id: other.id, key: 'own', title: 'Own', transport: '{}' })
      .returning('id')
      .executeTakeFirstOrThrow(),
  );
  const foreign = withOrganization(t.db, org, (scope) =>
    recordSighting(scope, { ...sighting, server: asServerId(own.id) }),
  );
  await expect(foreign).rejects.toMatchObject({ code: 'not_found' });
});
