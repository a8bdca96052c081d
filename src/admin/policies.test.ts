/** Policies by the admin API and by gatehouse.yaml: checked before they count, and nobody else's. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { openCedar } from '#adapters/policy/cedar/cedar.ts';
import { systemClock } from '#core/clock.ts';
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
import { applyPolicies, type WantedPolicy } from './apply-policies.ts';
import { type AdminRunner, openAdmin } from './handlers.ts';
import type { AdminRecords } from './records.ts';
import { openAdminRecords } from './storage.ts';

const rootSecret = new Secret('kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB');
const platform: Actor = { kind: 'platform' };
const engine = openCedar();
let database: TestDatabase;
let records: AdminRecords;
let run: AdminRunner;

beforeAll(async () => {
  database = await createTestDatabase();
  const { db } = database;
  const environment = kmsAdapters.config.parse({ kind: 'environment' });
  const kms = await kmsAdapters.open(environment, { rootSecret, clock: systemClock, log: silentLog });
  const vault = openVault({ kms, store: openDataKeyStore(db), clock: systemClock });
  records = openAdminRecords({ db, vault, keys: openApiKeys(rootSecret), clock: systemClock, keyMode: 'test' });
  run = openAdmin({
    ...{
      policies: engine,
      records,
      clock: systemClock,
      audit: () => undefined,
      readLimit: () => ({ used: 0, resetMs: 0 }),
    },
    status: () => ({ status: 'healthy', version: '1', demo: true, url: 'http://x' }),
    rotateSigningKeys: async () => ({ kid: 'new', signsAt: 0 }),
  });
  for (const slug of ['one', 'two']) await run('createOrganization', { slug, name: slug }, platform);
  const transport = { kind: 'http', url: 'https://tools.example/mcp' };
  const server = await run('createServer', { key: 'files', transport, enableFor: 'one' }, platform);
  const one = await records.findOrganization('one');
  if (!one) throw new Error('no organization');
  await withOrganization(db, one.id, (scope) =>
    recordSighting(scope, {
      ...{
        server: server.id as never,
        partition: '',
        tool: 'retrieve',
        as: 'approved',
        hash: 'a'.repeat(64),
        flags: [],
        at: 0,
      },
      text: JSON.stringify({ name: 'retrieve', inputSchema: { type: 'object' }, annotations: { readOnlyHint: true } }),
    }),
  );
}, 120_000);
afterAll(() => database.close());

const permitAll = 'permit(principal, action, resource);';
const wanted = (more: Partial<WantedPolicy>): WantedPolicy => ({
  ...{ organization: 'one', name: 'filed', onError: 'deny', mode: 'enforce', policies: permitAll },
  ...more,
});
const apply = (more: Partial<WantedPolicy>) => applyPolicies({ records, engine }, [wanted(more)]);

test('what the file says becomes a row once, and another version where it changes [S2.17]', async () => {
  expect((await apply({ server: 'files' })).changed).toEqual(['policies one/filed']);
  expect((await apply({ server: 'files' })).changed).toEqual([]);
  expect((await apply({ server: 'files', mode: 'log' })).changed).toEqual(['policies one/filed']);
  const row = await run('getPolicy', { organization: 'one', name: 'filed' }, platform);
  expect(row).toMatchObject({ server: 'files', collection: null, mode: 'log', version: 2, managedBy: 'file' });
});

test.each([
  [{ policies: 'permit(' }, 'cannot be parsed'],
  [{ policies: '' }, 'There is no policy in it'],
  [
    { policies: undefined, config: { version: '1.0', type: 'cedarv1', cedar: { policies: [] } } },
    'at least one policy',
  ],
  [{ policies: 'permit(principal, action == Action::"call", resource);' }, 'unrecognized action'],
  [{ server: 'nowhere' }, 'no server "nowhere"'],
  [{ organization: 'nobody' }, 'no organization "nobody"'],
])('a file that is wrong stops the start with its reason: %#', async (more, words) => {
  await expect(apply(more)).rejects.toMatchObject({ code: 'setting', message: expect.stringContaining(words) });
});

test('what the file made is changed there, and a name is one set', async () => {
  const change = { organization: 'one', name: 'filed', policies: permitAll };
  await expect(run('updatePolicy', change, platform)).rejects.toMatchObject({ code: 'conflict' });
  await expect(run('removePolicy', { organization: 'one', name: 'filed' }, platform)).rejects.toMatchObject({
    code: 'conflict',
  });
  await expect(run('createPolicy', change, platform)).rejects.toMatchObject({ code: 'conflict' });
  await run('createPolicy', { ...change, name: 'api' }, platform);
  await expect(apply({ name: 'api' })).rejects.toMatchObject({ code: 'setting' });
  await run('removePolicy', { organization: 'one', name: 'api' }, platform);
});

test('saving warns of tools that nobody has, and tests know the annotations of those that somebody has', async () => {
  const policies = 'permit(principal, action, resource == Tool::"retreive");';
  const saved = await run('createPolicy', { organization: 'one', name: 'typo', server: 'files', policies }, platform);
  expect(saved.warnings).toEqual([expect.stringContaining('did you mean "retrieve"')]);
  await run('removePolicy', { organization: 'one', name: 'typo' }, platform);
  const reading =
    'permit(principal, action == Action::"call_tool", resource) when { resource has readOnlyHint && resource.readOnlyHint };';
  const cases = ['retrieve', 'other'].map((resource) => ({ server: 'files', resource }));
  const draft = { name: 'draft', policies: reading };
  const { results } = await run('testPolicies', { organization: 'one', draft, cases }, platform);
  expect(results.map(({ decision }) => decision)).toEqual(['permit', 'deny']);
});

test('an organization’s key sees, tests and changes its own policies and no other', async () => {
  const two = await records.findOrganization('two');
  if (!two) throw new Error('no organization');
  const principal = {
    kind: 'api-key',
    key: principalKey('', 'k'),
    keyId: asKeyId('k'),
    name: 'k',
    org: two.id,
  } as const;
  const actor: Actor = { kind: 'key', principal: { ...principal, roles: ['admin:policies:*'] } };
  const one = { organization: 'one', name: 'filed' };
  const cases = [{ server: 'files', resource: 'x' }];
  for (const work of [
    () => run('listPolicies', { organization: 'one' }, actor),
    () => run('getPolicy', one, actor),
    () => run('createPolicy', { ...one, policies: permitAll }, actor),
    () => run('updatePolicy', { ...one, policies: permitAll }, actor),
    () => run('removePolicy', one, actor),
    () => run('testPolicies', { organization: 'one', cases }, actor),
    () => run('showPolicyMatrix', { organization: 'one' }, actor),
  ])
    await expect(work()).rejects.toMatchObject({ code: 'not_member' });
  expect(await run('listPolicies', { organization: 'two' }, actor)).toEqual({ items: [], next: null });
  const reader: Actor = { kind: 'key', principal: { ...principal, roles: ['admin:policies:read'] } };
  const own = { organization: 'two', name: 'p', policies: permitAll };
  await expect(run('createPolicy', own, reader)).rejects.toMatchObject({ code: 'forbidden' });
  expect(await run('createPolicy', own, actor)).toMatchObject({ version: 1, warnings: [] });
});
