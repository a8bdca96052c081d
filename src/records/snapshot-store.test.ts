import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { asServerId, type CollectionId, type OrgId, type ServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { type OpenChangeFeed, openChangeFeed } from '#db/notified-change-feed.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { insertBinding } from './bindings.ts';
import { insertCollection, updateCollection } from './collections.ts';
import { insertCredential, newCredentialId, updateCredential } from './credentials.ts';
import { putEnablement } from './enablements.ts';
import { insertOrganization, removeOrganization, updateOrganization } from './organizations.ts';
import { insertServer, updateServer } from './servers.ts';
import { type OrganizationSnapshot, plainListing, type SnapshotStore } from './snapshot.ts';
import { openSnapshotLoader } from './snapshot-loader.ts';
import { openSnapshotStore } from './snapshot-store.ts';

let t: TestDatabase;
let feed: OpenChangeFeed;
let counted: Db;
let store: SnapshotStore;
let org: OrgId;
let shared: ServerId;
let soc2: CollectionId;
/** Statements so far. */
let sent = 0;
let nowMs = 0;
const clock = { now: () => nowMs, monotonic: () => nowMs };
const http = { kind: 'http', url: 'https://tools.example/mcp/{partition}/' } as const;
const credential = newCredentialId(1_800_000_000_000);

beforeAll(async () => {
  t = await createTestDatabase();
  counted = openDb(t.database.dialect, () => {
    sent += 1;
  });
  await withPlatform(t.db, async (scope) => {
    org = (await insertOrganization(scope, { slug: 'acme', externalId: 'org_1', name: 'Acme' })).id;
    await insertOrganization(scope, { slug: 'org-1', externalId: 'acme2', name: 'Other' });
    shared = (await insertServer(scope, { key: 'shared', title: 'Shared', transport: http })).id;
  });
  await withOrganization(t.db, org, async (scope) => {
    const own = await insertServer(scope, { key: 'own', title: 'Own', transport: http, trusted: true });
    await putEnablement(scope, { server: own.id, enabled: true, allMembers: false, allowedRoles: ['admin'] });
    soc2 = (await insertCollection(scope, { name: 'soc2', allowedRoles: ['admin', 'member'] })).id;
    await insertCredential(scope, { id: credential, sealed: 'gw1.sealed' });
    const enforced = { retrieve: { filter: { region: 'eu' } } };
    await insertBinding(scope, soc2, { server: own.id, partition: 'p1', credential, enforced });
  });
});
afterAll(() => t.close());
beforeEach(async () => {
  feed = await openChangeFeed({ db: t.db, notifications: t.database, log: silentLog });
  store = openSnapshotStore({ db: counted, feed, clock, log: silentLog });
});
afterEach(async () => {
  await store.close();
  await feed.close();
});

async function get(name: string): Promise<OrganizationSnapshot> {
  const snapshot = await store.load(name);
  if (!snapshot) throw new Error(`${name} was not found`);
  return snapshot;
}

/** Does something that changes `acme`, and waits for the snapshot that shows it. */
async function changed(work: () => Promise<unknown>, shows: (snapshot: OrganizationSnapshot | undefined) => boolean) {
  const start = performance.now();
  await work();
  while (!shows(store.find('acme'))) {
    if (performance.now() - start > 1_000) throw new Error('the change did not arrive within a second');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('a snapshot', () => {
  test('is found by slug, external id and UUID, without a promise once loaded', async () => {
    expect(store.find('acme')).toBeUndefined();
    const loaded = await get('org_1');
    for (const name of ['acme', 'org_1', org, org.toUpperCase()]) expect(store.find(name)).toBe(loaded);
    expect(loaded).toMatchObject({ id: org, slug: 'acme', externalId: 'org_1', name: 'Acme' });
  });

  test('holds collections with their bindings, enforced arguments and credentials', async () => {
    const endpoint = (await get('acme')).endpoints.get('soc2');
    expect(endpoint).toMatchObject({ id: soc2, kind: 'collection', allowedRoles: ['admin', 'member'] });
    const [binding] = endpoint?.bindings ?? [];
    expect(binding).toMatchObject({
      partition: 'p1',
      server: { key: 'own', org, trusted: true, enabled: true, transport: http },
      credential: { id: credential, org, header: { name: 'authorization', template: 'Bearer {}' } },
    });
    expect(binding?.enforced.get('retrieve')?.get('filter')).toEqual({ region: 'eu' });
  });

  test('holds how a collection lists, and how its bindings publish their tools', async () => {
    const tools = {
      choose: ['find'],
      rename: { find: { name: 'search' } },
      arguments: { find: { n: { maximum: 10, default: null } } },
      confirm: ['find'],
      pins: 'block',
    } as const;
    await withOrganization(t.db, org, async (scope) => {
      const listing = { names: 'plain', mode: 'auto', tokenBudget: 500 } as const;
      const made = await insertCollection(scope, { name: 'shaped', allowedRoles: '*', listing });
      await insertBinding(scope, made.id, { server: shared, prefix: '', tools });
    });
    const { endpoints } = await get('acme');
    expect(endpoints.get('shaped')?.listing).toEqual({ names: 'plain', mode: 'auto', tokenBudget: 500 });
    expect(endpoints.get('shaped')?.bindings).toMatchObject([
      {
        prefix: '',
        shaping: {
          choose: new Set(['find']),
          hide: new Set(),
          rename: new Map([['find', { name: 'search' }]]),
          rules: new Map([['find', new Map([['n', { maximum: 10, default: null }]])]]),
          redact: new Map(),
          confirm: new Set(['find']),
          pins: 'block',
        },
      },
    ]);
    expect(endpoints.get('soc2')?.listing).toEqual(plainListing);
    expect(endpoints.get('soc2')?.bindings[0]).toMatchObject({ prefix: undefined, shaping: undefined });
  });

  test('gives no access by a binding whose rules it does not understand', async () => {
    await t.sql(`update gateway.bindings set tools = '{"hidden": ["find"]}' where prefix = ''`);
    const { endpoints } = await get('acme');
    expect(endpoints.has('shaped')).toBe(false);
    expect(endpoints.has('soc2')).toBe(true);
    await t.sql(`delete from gateway.collections where name = 'shaped'`);
  });

  test('holds servers as endpoints, and one that nobody enabled as not enabled', async () => {
    const { endpoints } = await get('acme');
    expect(endpoints.get('own')).toMatchObject({ kind: 'server', allowedRoles: ['admin'] });
    const [binding] = endpoints.get('shared')?.bindings ?? [];
    expect(binding?.server).toMatchObject({ id: shared, org: undefined, enabled: false });
  });

  test('holds nothing of another organization [C1]', async () => {
    const { endpoints } = await get('acme2');
    expect([...endpoints.keys()]).toEqual(['shared']);
  });

  test('leaves out a collection whose row cannot be read, and nothing else', async () => {
    await withOrganization(t.db, org, (scope) => insertCollection(scope, { name: 'broken', allowedRoles: [] }));
    await t.sql(`update gateway.collections set allowed_roles = '[1]' where name = 'broken'`);
    const { endpoints } = await get('acme');
    expect(endpoints.has('broken')).toBe(false);
    expect(endpoints.has('soc2')).toBe(true);
    await t.sql(`delete from gateway.collections where name = 'broken'`);
  });

  test('takes as many statements for fifty organizations as for one', async () => {
    const count = async (work: () => Promise<unknown>) => {
      const before = sent;
      await work();
      return sent - before;
    };
    const ids = await withPlatform(t.db, async (scope) => {
      const made = Array.from({ length: 50 }, (_, n) => insertOrganization(scope, { slug: `bulk-${n}`, name: 'Bulk' }));
      return (await Promise.all(made)).map((organization) => organization.id);
    });
    const loader = openSnapshotLoader(counted, silentLog);
    const [first] = ids;
    if (!first) throw new Error('no organization');
    const one = await count(() => loader.loadAll([first]));
    expect(one).toBe(14);
    expect(await count(() => loader.loadAll(ids))).toBe(one);
  });
});

describe('a change reaches the snapshot within a second', () => {
  test('of roles', async () => {
    const old = await get('acme');
    await changed(
      () => withOrganization(t.db, org, (scope) => updateCollection(scope, soc2, { allowedRoles: [] })),
      (snapshot) => snapshot?.endpoints.get('soc2')?.allowedRoles.length === 0,
    );
    expect(old.endpoints.get('soc2')?.allowedRoles).toEqual(['admin', 'member']);
    expect(store.find('acme')?.version).toBeGreaterThan(old.version);
  });

  test('of a credential, whose version grows', async () => {
    const version = (snapshot: OrganizationSnapshot | undefined) =>
      snapshot?.endpoints.get('soc2')?.bindings[0]?.credential?.version ?? 0;
    const before = version(await get('acme'));
    await changed(
      () => withOrganization(t.db, org, (scope) => updateCredential(scope, credential, { sealed: 'gw1.again' })),
      (snapshot) => version(snapshot) === before + 1,
    );
  });

  test('of a server that is switched off for all, inactive ones giving no access [S4.20] [X4.1]', async () => {
    await withOrganization(t.db, org, (scope) =>
      putEnablement(scope, { server: shared, enabled: true, allMembers: true, allowedRoles: [] }),
    );
    const enabled = (snapshot: OrganizationSnapshot | undefined) =>
      snapshot?.endpoints.get('shared')?.bindings[0]?.server.enabled;
    await get('acme');
    await changed(
      async () => undefined,
      (snapshot) => enabled(snapshot) === true,
    );
    await changed(
      () => withPlatform(t.db, (scope) => updateServer(scope, shared, { active: false })),
      (snapshot) => enabled(snapshot) === false,
    );
  });

  test('of a name, the old one being forgotten', async () => {
    await get('acme');
    await changed(
      () => withPlatform(t.db, (scope) => updateOrganization(scope, org, { externalId: 'org_9' })),
      () => store.find('org_9') !== undefined,
    );
    expect(store.find('org_1')).toBeUndefined();
  });

  test('of an organization that was unknown a moment ago', async () => {
    expect(await store.load('newcomer')).toBeUndefined();
    const heard = Promise.withResolvers<void>();
    feed.subscribe(() => heard.resolve());
    await withPlatform(t.db, (scope) => insertOrganization(scope, { slug: 'newcomer', name: 'New' }));
    await heard.promise;
    expect(await store.load('newcomer')).toMatchObject({ slug: 'newcomer' });
  });

  test('of an organization that is removed: it is gone for every name [S4.20] [X4.1]', async () => {
    const gone = await withPlatform(t.db, (scope) =>
      insertOrganization(scope, { slug: 'gone', externalId: 'org_g', name: 'Gone' }),
    );
    await get('gone');
    await withPlatform(t.db, (scope) => removeOrganization(scope, gone.id));
    await changed(
      async () => undefined,
      () => store.find('gone') === undefined,
    );
    expect(store.find('org_g')).toBeUndefined();
    expect(await store.load('gone')).toBeUndefined();
    expect(await store.load(gone.id)).toBeUndefined();
  });
});

describe('loading', () => {
  test('is one query for many who ask at once', async () => {
    await Promise.all(Array.from({ length: 50 }, () => store.load('nobody')));
    const before = sent;
    nowMs += 2_001;
    await Promise.all(Array.from({ length: 50 }, () => store.load('acme')));
    const once = sent - before;
    expect(once).toBe(14);
    await Promise.all(Array.from({ length: 50 }, () => store.load('acme')));
    expect(sent - before).toBe(once);
  });

  test('remembers what does not exist for two seconds', async () => {
    await store.load('nobody');
    const before = sent;
    nowMs += 1_900;
    await store.load('nobody');
    expect(sent).toBe(before);
    nowMs += 200;
    await store.load('nobody');
    expect(sent).toBeGreaterThan(before);
  });

  test('keeps what was in memory while the database is away, and renews it after [R4]', async () => {
    const listeners = new Set<(change: Change) => void>();
    const failed = Promise.withResolvers<void>();
    const own = openSnapshotStore({
      db: t.db,
      feed: {
        subscribe(listener) {
          listeners.add(listener);
          return () => listeners.delete(listener);
        },
      },
      clock,
      log: { ...silentLog, warn: () => failed.resolve() },
    });
    const loaded = await own.load('acme');
    await t.sql(`revoke select on gateway.collections from gatehouse_platform`);
    for (const tell of listeners) tell({ kind: 'everything' });
    await failed.promise;
    expect(own.find('acme')).toBe(loaded);
    await t.sql(`grant select on gateway.collections to gatehouse_platform`);
    const start = performance.now();
    while (own.find('acme') === loaded && performance.now() - start < 5_000) await new Promise((r) => setImmediate(r));
    expect(own.find('acme')).not.toBe(loaded);
    await own.close();
  });

  test('an unknown server id is no server', async () => {
    const work = withOrganization(t.db, org, (scope) =>
      insertBinding(scope, soc2, { server: asServerId('0197a000-0000-7000-8000-000000000000') }),
    );
    await expect(work).rejects.toMatchObject({ code: 'not_found' });
  });
});
