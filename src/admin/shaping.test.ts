import { afterAll, beforeAll, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { systemClock } from '#core/clock.ts';
import { asGatehouseError, type GatehouseError } from '#core/error.ts';
import { asKeyId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import { Secret } from '#core/secret.ts';
import { withOrganization } from '#db/scope.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openApiKeys } from '#records/api-key.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import { recordSighting } from '#records/tool-pins.ts';
import { openVault } from '#records/vault.ts';
import type { Actor } from './actor.ts';
import { applyConfig, type Wanted } from './apply.ts';
import { type AdminEvent, type AdminRunner, openAdmin } from './handlers.ts';
import type { AdminRecords } from './records.ts';
import { openAdminRecords } from './storage.ts';

const rootSecret = new Secret('kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB');
const platform: Actor = { kind: 'platform' };
const events: AdminEvent[] = [];
let database: TestDatabase;
let records: AdminRecords;
let run: AdminRunner;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const kms = await kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment' }), {
    rootSecret,
    clock: systemClock,
    log: silentLog,
  });
  const vault = openVault({ kms, store: openDataKeyStore(db), clock: systemClock });
  records = openAdminRecords({ db, vault, keys: openApiKeys(rootSecret), clock: systemClock, keyMode: 'test' });
  run = openAdmin({
    policies: openCedar(),
    readLimit: () => ({ used: 0, resetMs: 0 }),
    records,
    clock: systemClock,
    status: () => ({ status: 'healthy', version: '1.2.3', demo: true, url: 'http://x' }),
    audit: (event) => events.push(event),
    rotateSigningKeys: async () => ({ kid: 'new', signsAt: 0 }),
  });
  await run('createOrganization', { slug: 'shape', name: 'Shape' }, platform);
  const transport = { kind: 'http', url: 'https://tools.example/mcp' };
  for (const key of ['shape-a', 'shape-b']) {
    await run('createServer', { key, transport, enableFor: 'shape' }, platform);
  }
}, 120_000);
afterAll(() => database.close());

/** Refused: as what. */
async function refusal(work: Promise<unknown>): Promise<GatehouseError> {
  const [outcome] = await Promise.allSettled([work]);
  if (outcome.status === 'fulfilled') throw new Error('it was not refused');
  return asGatehouseError(outcome.reason);
}

const shaped = {
  names: 'plain',
  mode: 'auto',
  tokenBudget: 500,
  tools: {
    choose: ['find', 'read'],
    rename: { find: { name: 'search' } },
    arguments: { find: { tenant: { fixed: '$'.concat('{org.slug}') }, n: { maximum: 10, default: 5 } } },
    redact: { '*': ['**.password'] },
    confirm: ['read'],
    pins: 'hold',
  },
};

test('a collection says how it lists, and a binding how its tools are published', async () => {
  const { tools, ...listing } = shaped;
  const bindings = [{ server: 'shape-a', prefix: '', tools }, { server: 'shape-b' }];
  const input = { organization: 'shape', name: 'all', allowedRoles: '*', ...listing, bindings };
  const made = await run('createCollection', input, platform);
  expect(made).toMatchObject({
    ...listing,
    bindings: [
      { prefix: '', tools },
      { prefix: null, tools: {} },
    ],
  });
  expect(await run('listCollections', { organization: 'shape' }, platform)).toEqual({ items: [made], next: null });
});

test.each([
  ['a prefix twice', [{ server: 'shape-a' }, { server: 'shape-b', prefix: 'shape-a' }], 'a prefix of its own'],
  ['a server twice', [{ server: 'shape-a' }, { server: 'shape-a', prefix: 'shape-a' }], 'remove one'],
  ['a prefix with an underscore', [{ server: 'shape-a', prefix: 'a_b' }], 'or empty'],
  ['two renames to one name', one({ rename: { a: { name: 'x' }, b: { name: 'x' } } }), 'a name of its own'],
  ["a chosen tool's name", one({ choose: ['a', 'b'], rename: { a: { name: 'b' } } }), 'choose another name'],
  ['a tool chosen and hidden', one({ choose: ['a'], hide: ['a'] }), 'remove it from one'],
  ['an empty rule', one({ arguments: { a: { b: {} } } }), 'give fixed'],
  ['fixed beside allowed', one({ arguments: { a: { b: { fixed: 1, allowed: [1] } } } }), 'no other rule'],
  ['an unknown template', one({ arguments: { a: { b: { fixed: '$'.concat('{user.phone}') } } } }), 'user.email'],
  ['a default that is not allowed', one({ arguments: { a: { b: { allowed: [1], default: 2 } } } }), 'add it'],
  ['a default above its maximum', one({ arguments: { a: { b: { maximum: 1, default: 2 } } } }), 'lower it'],
  ['a path that is none', one({ redact: { a: ['..'] } }), 'names joined by dots'],
  [
    'enforced and a rule',
    [{ ...one({ arguments: { a: { b: { fixed: 1 } } } })[0], enforced: { a: { b: {} } } }],
    'keep one',
  ],
  ['a misspelt setting', one({ chose: ['a'] }), 'no field "chose"'],
])('%s is refused, with what to do instead', async (_name, bindings, words) => {
  const input = { organization: 'shape', name: 'wrong', allowedRoles: '*', bindings };
  const { code, message } = await refusal(run('createCollection', input, platform));
  expect(code).toBe('bad_request');
  expect(message).toContain(words);
});

function one(tools: object): { server: string; tools: object }[] {
  return [{ server: 'shape-a', tools }];
}

test('pins are shown with what changed, approved and refused by their hash, by those who may', async () => {
  const found = await records.findOrganization('shape');
  const server = (await records.listServers()).find((row) => row.key === 'shape-a');
  if (!found || !server) throw new Error('missing');
  const definition = (description: string) => JSON.stringify({ name: 'find', description });
  const [a, b] = ['a'.repeat(64), 'b'.repeat(64)];
  const flags = [{ path: 'description', character: 'U+202E', kind: 'bidirectional' }] as const;
  const place = { server: server.id, partition: '', tool: 'find', at: 1_800_000_000_000 };
  await withOrganization(database.db, found.id, async (scope) => {
    await recordSighting(scope, { ...place, as: 'approved', hash: a, text: definition('Finds.'), flags: [] });
    await recordSighting(scope, { ...place, as: 'held', hash: b, text: definition('Finds\u202e.'), flags });
  });
  const asked = { organization: 'shape', state: 'waiting', server: 'shape-a' };
  expect((await run('listPins', asked, platform)).items).toEqual([
    {
      server: 'shape-a',
      partition: null,
      tool: 'find',
      state: 'waiting',
      approved: { hash: a, at: '2027-01-15T08:00:00.000Z' },
      held: { hash: b, at: '2027-01-15T08:00:00.000Z' },
      changes: [{ path: 'description', change: 'changed', before: 'Finds.', after: 'Finds\\u{202e}.' }],
      hiddenCharacters: flags,
    },
  ]);
  const wrong = { organization: 'shape', server: 'shape-a', tool: 'find', hash: a };
  expect((await refusal(run('approvePin', wrong, platform))).code).toBe('conflict');
  expect((await refusal(run('approvePin', { ...wrong, tool: 'x' }, platform))).code).toBe('not_found');
  expect((await refusal(run('approvePin', { ...wrong, server: 'x' }, platform))).code).toBe('not_found');
  const keyId = asKeyId('0123456789abcdef');
  const roles = ['admin:pins:read'];
  const key = principalKey('gatehouse:api-key', keyId);
  const reader: Actor = { kind: 'key', principal: { kind: 'api-key', key, keyId, org: found.id, name: 'r', roles } };
  expect((await run('listPins', { organization: 'shape' }, reader)).items).toHaveLength(1);
  const decision = { ...wrong, hash: b };
  expect((await refusal(run('approvePin', decision, reader))).code).toBe('forbidden');
  const done = await run('approvePin', decision, platform);
  expect(done).toMatchObject({ state: 'approved', approved: { hash: b }, held: null, changes: [] });
  expect(events.at(-1)).toMatchObject({
    action: 'pin.approve',
    organization: 'shape',
    target: 'find',
    outcome: 'done',
  });
  await withOrganization(database.db, found.id, (scope) =>
    recordSighting(scope, { ...place, as: 'held', hash: a, text: definition('Finds.'), flags: [] }),
  );
  expect(await run('rejectPin', wrong, platform)).toMatchObject({
    state: 'rejected',
    approved: { hash: b },
    held: null,
  });
});

test('the file says the same of collections, and writes nothing where nothing differs', async () => {
  const { tools, ...listing } = shaped;
  const wanted = (change: object): Wanted => ({
    organizations: [{ slug: 'shaped-file', name: 'Shaped' }],
    servers: [],
    collections: [
      {
        organization: 'shaped-file',
        name: 'all',
        allowedRoles: '*',
        ...listing,
        ...change,
        bindings: [{ server: 'shape-a', prefix: 'x', tools }],
      } as Wanted['collections'][number],
    ],
    enablements: [],
  });
  expect((await applyConfig(records, wanted({}))).changed).toContain('collection shaped-file/all');
  expect((await applyConfig(records, wanted({}))).changed).toEqual([]);
  expect((await applyConfig(records, wanted({ tokenBudget: 501 }))).changed).toEqual(['collection shaped-file/all']);
  const { items } = await run('listCollections', { organization: 'shaped-file' }, platform);
  expect(items[0]).toMatchObject({ ...listing, tokenBudget: 501, bindings: [{ prefix: 'x', tools }] });
});
