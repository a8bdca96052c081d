import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { asKeyId, type OrgId } from '#core/ids.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertBinding, listBindings, removeBinding, updateBinding } from './bindings.ts';
import { findCollection, insertCollection, listCollections, removeCollection } from './collections.ts';
import { findSealedCredential, insertCredential, newCredentialId, removeCredential } from './credentials.ts';
import { openDataKeyStore } from './data-keys.ts';
import { listEnablements, putEnablement, removeEnablement } from './enablements.ts';
import { findKey, insertKey, listKeys, revokeKey, touchKeys } from './keys.ts';
import {
  ensureOrganization,
  findOrganization,
  insertOrganization,
  listOrganizations,
  removeOrganization,
  updateOrganization,
} from './organizations.ts';
import { findServer, insertServer, listServers, removeServer, updateServer } from './servers.ts';
import {
  insertSessionRevocation,
  listSessionRevocations,
  removeExpiredSessionRevocations,
} from './session-revocations.ts';

let t: TestDatabase;
let one: OrgId;
let two: OrgId;
const http = { kind: 'http', url: 'https://tools.example/mcp' } as const;

beforeAll(async () => {
  t = await createTestDatabase();
  [one, two] = await withPlatform(t.db, async (scope) => {
    const first = await insertOrganization(scope, { slug: 'one', externalId: 'org_one', name: 'One' });
    const second = await insertOrganization(scope, { slug: 'two', name: 'Two' });
    return [first.id, second.id];
  });
});
afterAll(() => t.close());

describe('organizations', () => {
  test('no slug or external id names two of them, in whichever place it stands', async () => {
    for (const taken of [
      { slug: 'one', name: 'x' },
      { slug: 'fresh', externalId: 'two', name: 'x' },
      { slug: 'fresh', externalId: 'org_one', name: 'x' },
      { slug: one, name: 'x' },
      { slug: 'fresh', externalId: one.toUpperCase(), name: 'x' },
    ]) {
      const work = withPlatform(t.db, (scope) => insertOrganization(scope, taken));
      await expect(work).rejects.toMatchObject({ code: 'conflict' });
    }
    const renaming = withPlatform(t.db, (scope) => updateOrganization(scope, two, { externalId: 'one' }));
    await expect(renaming).rejects.toMatchObject({ code: 'conflict' });
    const renamed = await withPlatform(t.db, (scope) =>
      updateOrganization(scope, two, { externalId: 'two', name: 'Two' }),
    );
    expect(renamed).toEqual({ id: two, slug: 'two', externalId: 'two', name: 'Two' });
  });

  test('one that is unknown is made once, with a slug of its own', async () => {
    const asked = Array.from({ length: 8 }, () => withPlatform(t.db, (scope) => ensureOrganization(scope, 'org_New')));
    const ids = new Set(await Promise.all(asked));
    expect(ids.size).toBe(1);
    const clash = await withPlatform(t.db, (scope) => ensureOrganization(scope, 'Org-New'));
    const slugs = await withPlatform(t.db, async (scope) => (await listOrganizations(scope)).map(({ slug }) => slug));
    expect(slugs).toEqual(['one', 'org-new', 'org-new-2', 'two']);
    expect(ids.has(clash)).toBe(false);
  });

  test('a removed one is found by no name and its name stays taken', async () => {
    await withPlatform(t.db, async (scope) => {
      const gone = await insertOrganization(scope, { slug: 'gone', name: 'Gone' });
      await removeOrganization(scope, gone.id);
      expect(await findOrganization(scope, 'gone')).toBeUndefined();
      expect(await findOrganization(scope, gone.id)).toBeUndefined();
      await expect(removeOrganization(scope, gone.id)).rejects.toMatchObject({ code: 'not_found' });
    });
    const again = withPlatform(t.db, (scope) => insertOrganization(scope, { slug: 'gone', name: 'x' }));
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
  });
});

describe('servers and enablements', () => {
  test("an organization's own server hides the platform's of the same key", async () => {
    await withPlatform(t.db, (scope) => insertServer(scope, { key: 'git', title: 'Platform', transport: http }));
    await withOrganization(t.db, one, async (scope) => {
      await insertServer(scope, { key: 'git', title: 'Ours', transport: http, totalTimeoutMs: 5_000 });
      expect(await findServer(scope, 'git')).toMatchObject({ title: 'Ours', org: one, totalTimeoutMs: 5_000 });
    });
    await withOrganization(t.db, two, async (scope) => {
      const seen = await findServer(scope, 'git');
      expect(seen).toMatchObject({ title: 'Platform', org: undefined });
      if (!seen) return;
      await expect(updateServer(scope, seen.id, { title: 'x' })).rejects.toMatchObject({ code: 'not_found' });
      await expect(removeServer(scope, seen.id)).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  test('are changed by id and never by a foreign one [C1]', async () => {
    const server = await withOrganization(t.db, one, async (scope) => {
      const made = await insertServer(scope, { key: 'mine', title: 'Mine', transport: http });
      await putEnablement(scope, { server: made.id, enabled: true, allMembers: false, allowedRoles: ['a'] });
      await putEnablement(scope, { server: made.id, enabled: true, allMembers: true, allowedRoles: [] });
      expect(await listEnablements(scope)).toEqual([
        { server: made.id, enabled: true, allMembers: true, allowedRoles: [], blockedTools: [] },
      ]);
      return updateServer(scope, made.id, { title: 'Changed', active: false });
    });
    expect(server).toMatchObject({ title: 'Changed', active: false, transport: http });
    await withOrganization(t.db, two, async (scope) => {
      expect(await listServers(scope)).toHaveLength(1);
      await expect(updateServer(scope, server.id, { title: 'x' })).rejects.toMatchObject({ code: 'not_found' });
      await expect(removeServer(scope, server.id)).rejects.toMatchObject({ code: 'not_found' });
      await expect(removeEnablement(scope, server.id)).rejects.toMatchObject({ code: 'not_found' });
    });
  });
});

describe('collections, bindings, credentials', () => {
  test('a removed collection takes the credentials that nothing else uses', async () => {
    const alone = newCredentialId(1_800_000_000_000);
    const sharedOne = newCredentialId(1_800_000_000_001);
    await withOrganization(t.db, one, async (scope) => {
      const server = await insertServer(scope, { key: 'docs', title: 'Docs', transport: http });
      const other = await insertServer(scope, { key: 'wiki', title: 'Wiki', transport: http });
      for (const id of [alone, sharedOne]) await insertCredential(scope, { id, sealed: 'gw1.x' });
      const first = await insertCollection(scope, { name: 'first', allowedRoles: '*' });
      const second = await insertCollection(scope, { name: 'second', allowedRoles: ['a'] });
      await insertBinding(scope, first.id, { server: server.id, credential: alone, partition: 'p' });
      await insertBinding(scope, first.id, { server: other.id, credential: sharedOne, position: -1 });
      await insertBinding(scope, second.id, { server: server.id, credential: sharedOne });
      expect((await listBindings(scope, first.id)).map((binding) => binding.server)).toEqual([other.id, server.id]);
      await removeCollection(scope, first.id);
      expect((await listCollections(scope)).map(({ name }) => name)).toEqual(['second']);
    });
    const header = { name: 'authorization', template: 'Bearer {}' };
    expect(await findSealedCredential(t.db, { id: alone, org: one, version: 1, header })).toBeUndefined();
    expect(await findSealedCredential(t.db, { id: sharedOne, org: one, version: 1, header })).toEqual({
      sealed: 'gw1.x',
      version: 1,
      place: { table: 'credentials', column: 'sealed', rowId: sharedOne },
    });
    expect(await findSealedCredential(t.db, { id: sharedOne, org: two, version: 1, header })).toBeUndefined();
    const removing = withOrganization(t.db, one, (scope) => removeCredential(scope, sharedOne));
    await expect(removing).rejects.toMatchObject({ code: 'not_found' });
  });

  test('a binding changes only in what is given', async () => {
    await withOrganization(t.db, one, async (scope) => {
      const collection = await findCollection(scope, 'second');
      if (!collection) throw new Error('no collection');
      const [before] = await listBindings(scope, collection.id);
      if (!before) throw new Error('no binding');
      const after = await updateBinding(scope, before.id, { enforced: { retrieve: { filter: { a: 1 } } } });
      expect(after).toEqual({ ...before, enforced: new Map([['retrieve', new Map([['filter', { a: 1 }]])]]) });
      await removeBinding(scope, before.id);
      await expect(removeBinding(scope, before.id)).rejects.toMatchObject({ code: 'not_found' });
    });
  });

  test("another organization's credential cannot be bound [C1]", async () => {
    const id = newCredentialId(1_800_000_000_002);
    await withOrganization(t.db, two, (scope) => insertCredential(scope, { id, sealed: 'gw1.y' }));
    const work = withOrganization(t.db, one, async (scope) => {
      const server = await findServer(scope, 'docs');
      const collection = await insertCollection(scope, { name: 'thief', allowedRoles: '*' });
      if (server) await insertBinding(scope, collection.id, { server: server.id, credential: id });
    });
    await expect(work).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('keys', () => {
  const key = (id: string, name: string) => ({
    id: asKeyId(id),
    name,
    digest: Uint8Array.of(1, 2, 3),
    last4: 'wxyz',
    roles: ['admin'],
    endpoints: ['soc2'],
    expiresAt: 1_900_000_000_000,
  });

  test('are found by id across organizations, with their digest', async () => {
    await withOrganization(t.db, one, (scope) => insertKey(scope, key('k1', 'ci')));
    const found = await findKey(t.db, asKeyId('k1'));
    expect(found).toMatchObject({
      org: one,
      name: 'ci',
      roles: ['admin'],
      endpoints: ['soc2'],
      expiresAt: 1_900_000_000_000,
    });
    expect([...(found?.digest ?? [])]).toEqual([1, 2, 3]);
    expect(await findKey(t.db, asKeyId('k2'))).toBeUndefined();
  });

  test('a revoked one keeps its first moment and frees its name', async () => {
    await withOrganization(t.db, one, (scope) => revokeKey(scope, asKeyId('k1'), 1_800_000_000_000));
    await withOrganization(t.db, one, (scope) => revokeKey(scope, asKeyId('k1'), 1_800_000_009_000));
    expect((await findKey(t.db, asKeyId('k1')))?.revokedAt).toBe(1_800_000_000_000);
    await withOrganization(t.db, one, (scope) => insertKey(scope, key('k3', 'ci')));
    const again = withOrganization(t.db, one, (scope) => insertKey(scope, key('k4', 'ci')));
    await expect(again).rejects.toMatchObject({ code: 'conflict' });
  });

  test('of another organization cannot be revoked or listed [C1]', async () => {
    const work = withOrganization(t.db, two, (scope) => revokeKey(scope, asKeyId('k3'), 1));
    await expect(work).rejects.toMatchObject({ code: 'not_found' });
    expect(await withOrganization(t.db, two, listKeys)).toEqual([]);
  });

  test('last use only moves forward, and a list shows no digest', async () => {
    await touchKeys(t.db, [asKeyId('k3')], 1_800_000_005_000);
    await touchKeys(t.db, [asKeyId('k3')], 1_800_000_001_000);
    const listed = await withOrganization(t.db, one, listKeys);
    expect(listed.find(({ id }) => id === 'k3')).toMatchObject({ lastUsedAt: 1_800_000_005_000, last4: 'wxyz' });
    expect(JSON.stringify(listed)).not.toContain('digest');
  });
});

describe('data keys', () => {
  const dataKey = (dekId: string, org: OrgId) => ({
    dekId,
    org,
    kekId: 'k1',
    wrapped: `w-${dekId}`,
    state: 'active' as const,
  });

  test('of many first keys at once exactly one becomes active', async () => {
    const store = openDataKeyStore(t.db);
    const won = await Promise.all(
      Array.from({ length: 6 }, (_, n) => store.insertDataKey(dataKey(`d${n}`, one), undefined)),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await store.listDataKeys(one)).toHaveLength(1);
    expect(await store.listDataKeys(two)).toEqual([]);
  });

  test('a new one retires the one it replaces, or nothing happens', async () => {
    const store = openDataKeyStore(t.db);
    const [active] = await store.listDataKeys(one);
    expect(await store.insertDataKey(dataKey('e1', one), active?.dekId)).toBe(true);
    expect(await store.insertDataKey(dataKey('e2', one), active?.dekId)).toBe(false);
    await store.updateDataKey(one, 'e1', { kekId: 'k2', wrapped: 'again' });
    expect(await store.listDataKeys(one)).toEqual([
      { ...active, state: 'retired' },
      { dekId: 'e1', org: one, kekId: 'k2', wrapped: 'again', state: 'active' },
    ]);
    await store.removeDataKeys(one);
    expect(await store.listDataKeys(one)).toEqual([]);
  });
});

test('session revocations are remembered until they expire', async () => {
  await insertSessionRevocation(t.db, { digest: 'a', expiresAt: 2_000 });
  await insertSessionRevocation(t.db, { digest: 'a', expiresAt: 2_000 });
  await insertSessionRevocation(t.db, { digest: 'b', expiresAt: 9_000 });
  expect(await listSessionRevocations(t.db, 2_000)).toEqual([{ digest: 'b', expiresAt: 9_000 }]);
  await removeExpiredSessionRevocations(t.db, 2_000);
  expect(await t.sql('select digest from gateway.session_revocations')).toEqual([{ digest: 'b' }]);
});
