import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { createCollection, importMappingFile } from './ragie-collections.ts';
import { openSnapshotLoader } from './snapshot-loader.ts';
import type { Vault } from './vault-port.ts';

let t: TestDatabase;
beforeAll(async () => {
  t = await createTestDatabase();
});
afterAll(() => t.close());

/** Seals readably, so that a test sees what was bound to what. */
const vault: Vault = {
  seal: async (org, place, plain) => JSON.stringify([org, place, plain]),
  open: async (_org, _place, sealed) => new Secret(String(JSON.parse(sealed)[2])),
};

const input = {
  name: 'soc2',
  organizationId: 'org_123',
  partition: 'p1',
  ragieApiKey: 'tnt_secret',
  allowedRoles: ['admin', 'member'],
  filters: { region: 'eu' },
};

describe('creating a collection', () => {
  test('returns what the command prints, and publishes it [S0.33]', async () => {
    const created = await createCollection(t.db, input, vault);
    expect(created).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: 'soc2',
      organizationId: 'org_123',
      partition: 'p1',
      allowedRoles: ['admin', 'member'],
      filters: { region: 'eu' },
      endpoint: 'POST /org_123/mcp/soc2',
    });
    const snapshot = await openSnapshotLoader(t.db, silentLog).loadNamed('org_123');
    const endpoint = snapshot?.endpoints.get('soc2');
    expect(endpoint).toMatchObject({ id: created.id, allowedRoles: ['admin', 'member'] });
    expect(endpoint?.bindings).toMatchObject([{ partition: 'p1', server: { key: 'ragie', enabled: true } }]);
    expect(endpoint?.bindings[0]?.enforced.get('retrieve')?.get('filter')).toEqual({ region: 'eu' });
    const credential = endpoint?.bindings[0]?.credential;
    expect(await t.sql('select sealed from gateway.credentials where id = $1', [credential?.id])).toEqual([
      {
        sealed: JSON.stringify([
          snapshot?.id,
          { table: 'credentials', column: 'sealed', rowId: credential?.id },
          'tnt_secret',
        ]),
      },
    ]);
    expect(await t.sql('select name, organization_id, filters from collections')).toEqual([
      { name: 'soc2', organization_id: 'org_123', filters: { region: 'eu' } },
    ]);
  });

  test('refuses a name that the organization has, not one that another has [X0.4]', async () => {
    await expect(createCollection(t.db, input, vault)).rejects.toMatchObject({ code: 'conflict' });
    const other = await createCollection(t.db, { ...input, organizationId: 'org_other', filters: null }, vault);
    expect(other).toMatchObject({ filters: null, endpoint: 'POST /org_other/mcp/soc2' });
  });

  test('refuses what could not be reached or admits nobody', async () => {
    for (const wrong of [{ name: 'a/b' }, { organizationId: 'a b' }, { allowedRoles: [] }, { partition: '' }]) {
      const work = createCollection(t.db, { ...input, ...wrong }, vault);
      await expect(work).rejects.toMatchObject({ code: 'bad_request' });
    }
  });

  test('many at once make one organization and one server', async () => {
    const names = Array.from({ length: 10 }, (_, n) => `c${n}`);
    await Promise.all(
      names.map((name) => createCollection(t.db, { ...input, organizationId: 'org_new', name }, vault)),
    );
    expect(await t.sql(`select count(*)::int as n from collections where organization_id = 'org_new'`)).toEqual([
      { n: 10 },
    ]);
  });
});

describe('the older mapping file', () => {
  const file = {
    org_a: { docs: { partition: 'p', apiKey: 'tnt_a', allowedRoles: ['admin'] } },
    org_b: { docs: { partition: 'q', apiKey: 'tnt_b', allowedRoles: '*' } },
  };

  test('is imported, and can be again [S0.24]', async () => {
    const first = await importMappingFile(t.db, JSON.stringify(file), vault);
    expect(first.created.map((made) => made.endpoint)).toEqual(['POST /org_a/mcp/docs', 'POST /org_b/mcp/docs']);
    const second = await importMappingFile(t.db, JSON.stringify(file), vault);
    expect(second).toEqual({ created: [], skipped: ['org_a/docs', 'org_b/docs'] });
    expect(await t.sql(`select partition, allowed_roles from collections where organization_id = 'org_b'`)).toEqual([
      { partition: 'q', allowed_roles: '*' },
    ]);
  });

  test('is refused as a whole for one key too many or too few [S0.24]', async () => {
    const { docs } = file.org_a;
    for (const wrong of [
      { ...docs, extra: 1 },
      { partition: 'p', apiKey: 'x' },
    ]) {
      const json = JSON.stringify({ org_c: { good: docs, wrong } });
      await expect(importMappingFile(t.db, json, vault)).rejects.toMatchObject({ code: 'bad_request' });
    }
    await expect(importMappingFile(t.db, '{', vault)).rejects.toThrow('must be valid JSON');
    expect(await t.sql(`select * from collections where organization_id = 'org_c'`)).toEqual([]);
  });
});
