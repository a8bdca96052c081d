/** What every database adapter must do. Called by each adapter's test file. */
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { OrgId } from '#core/ids.ts';
import { openDb } from '#db/open.ts';
import type { Db, Tx } from '#db/schema.ts';
import { withOrganization, withPlatform, withPlatformSnapshot } from '#db/scope.ts';
import { checkIsolation } from '#db/self-test.ts';
import { insertOrganization } from '#records/organizations.ts';
import { insertServer, listServers } from '#records/servers.ts';
import type { Database } from './database.ts';

const http = { kind: 'http', url: 'https://tools.example/mcp' } as const;

export function describeDatabase(title: string, open: () => Promise<Database>): void {
  describe(`${title} as a database`, () => {
    let database: Database;
    let db: Db;
    const orgs: OrgId[] = [];

    beforeAll(async () => {
      database = await open();
      db = openDb(database.dialect);
      for (const slug of ['one', 'two']) {
        const { id } = await withPlatform(db, (scope) => insertOrganization(scope, { slug, name: slug }));
        await withOrganization(db, id, (scope) => insertServer(scope, { key: 'tools', title: slug, transport: http }));
        orgs.push(id);
      }
    });
    afterAll(() => database.close());

    test('is migrated and keeps organizations apart when it opens [C2]', async () => {
      await checkIsolation(db);
      const { rows } = await sql`select current_user as role`.execute(db);
      expect(rows).toEqual([{ role: 'gatehouse_app' }]);
    });

    test('shows nothing to a query without a scope, before and after scopes were used [C2]', async () => {
      const count = () => db.selectFrom('servers').select('id').execute();
      expect(await count()).toEqual([]);
      await withPlatform(db, ({ tx }) => tx.selectFrom('servers').select('id').execute());
      await Promise.all(orgs.map((org) => withOrganization(db, org, (scope) => listServers(scope))));
      expect(await Promise.all([count(), count(), count()])).toEqual([[], [], []]);
    });

    test('never shows a foreign row to two hundred interleaved transactions [C2]', async () => {
      const seen = await Promise.all(
        Array.from({ length: 200 }, async (_, n) => {
          const org = orgs[n % 2] ?? orgs[0];
          if (!org) throw new Error('no organization');
          const rows = await withOrganization(db, org, ({ tx }) => tx.selectFrom('servers').select('org_id').execute());
          return rows.length === 1 && rows[0]?.org_id === org;
        }),
      );
      expect(seen.every(Boolean)).toBe(true);
    });

    test('rolls back what fails and says conflict when a name is taken', async () => {
      const [org] = orgs;
      if (!org) throw new Error('no organization');
      const work = withOrganization(db, org, async (scope) => {
        await insertServer(scope, { key: 'other', title: 'Other', transport: http });
        await insertServer(scope, { key: 'tools', title: 'Again', transport: http });
      });
      await expect(work).rejects.toMatchObject({ code: 'conflict' });
      const kept = await withOrganization(db, org, (scope) => listServers(scope));
      expect(kept.map((server) => server.key)).toEqual(['tools']);
    });

    test('leaves no role, scope or open transaction behind, however a transaction ends [C2]', async () => {
      const [org] = orgs;
      if (!org) throw new Error('no organization');
      const failures = [
        (): Promise<never> => Promise.reject(new Error('before any statement')),
        (tx: Tx) => sql`select 1 / 0`.execute(tx),
        (tx: Tx) => sql`set local role nobody_of_this_name`.execute(tx),
        (tx: Tx) => sql`rollback`.execute(tx).then(() => Promise.reject(new Error('ended by its own work'))),
      ];
      const begun = new Set<string>();
      for (let n = 0; n < 40; n++) {
        const work = failures[n % failures.length] ?? (() => Promise.reject());
        const ended = [
          () => withPlatform(db, ({ tx }) => work(tx)),
          () => withOrganization(db, org, ({ tx }) => work(tx)),
          () => db.transaction().execute(work),
        ][n % 3];
        await expect(ended?.()).rejects.toThrow();
        const { rows } = await sql<{ role: string; place: string; at: string }>`select current_user as role,
          concat(current_setting('app.org', true), current_setting('app.scope', true)) as place, now()::text as at`.execute(
          db,
        );
        expect(rows).toEqual([{ role: 'gatehouse_app', place: '', at: expect.any(String) }]);
        // In a transaction that was left open it would be the same time again.
        begun.add(rows[0]?.at ?? '');
        expect(await db.selectFrom('servers').select('id').execute()).toEqual([]);
      }
      expect(begun.size).toBe(40);
    });

    test('gives the first statement of a transaction its rows, with parameters or without', async () => {
      const answers = await db.transaction().execute(async (tx) => {
        const plain = await sql<{ n: number }>`select n from generate_series(1, 3) n`.execute(tx);
        return plain.rows;
      });
      expect(answers).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
      const given = await db.transaction().execute((tx) => sql<{ n: number }>`select ${7}::int as n`.execute(tx));
      expect(given.rows).toEqual([{ n: 7 }]);
      const isolation = await withPlatformSnapshot(db, ({ tx }) =>
        sql<{ level: string }>`select current_setting('transaction_isolation') as level`.execute(tx),
      );
      if (database.kind !== 'pglite') expect(isolation.rows).toEqual([{ level: 'repeatable read' }]);
    });

    test('refuses to write in a snapshot', async () => {
      const work = withPlatformSnapshot(db, (scope) => insertOrganization(scope, { slug: 'three', name: 'Three' }));
      if (database.kind === 'pglite') await expect(work).resolves.toBeDefined();
      else await expect(work).rejects.toMatchObject({ code: 'storage_unavailable' });
    });

    test('delivers notifications in commit order until the listener ends', async () => {
      const heard: string[] = [];
      const arrivals = waitFor(() => heard.length === 3);
      const end = await database.listen(
        'contract',
        (payload) => {
          heard.push(payload);
          arrivals.check();
        },
        () => undefined,
      );
      for (const text of ['a', 'b', 'c']) await sql`select pg_notify('contract', ${text}::text)`.execute(db);
      await arrivals.done;
      await end();
      await sql`select pg_notify('contract', 'd')`.execute(db);
      expect(heard).toEqual(['a', 'b', 'c']);
    });

    test('keeps JSON, times and bytes as they were', async () => {
      const bytes = Uint8Array.from([0, 1, 255]);
      const at = new Date('2026-01-02T03:04:05.678Z');
      const { rows } = await sql<{ json: unknown; at: Date; bytes: Uint8Array }>`
        select ${JSON.stringify({ a: [1, 'ü'] })}::jsonb as json, ${at}::timestamptz as at, ${bytes}::bytea as bytes`.execute(
        db,
      );
      expect(rows[0]?.json).toEqual({ a: [1, 'ü'] });
      expect(rows[0]?.at).toEqual(at);
      expect([...(rows[0]?.bytes ?? [])]).toEqual([0, 1, 255]);
    });

    test('closes twice, and rejects queries afterwards', async () => {
      await Promise.all([database.close(), database.close()]);
      await expect(db.selectFrom('servers').select('id').execute()).rejects.toThrow();
    });
  });
}

/** A promise that a callback settles by calling `check` when the condition holds. */
function waitFor(condition: () => boolean): { readonly done: Promise<void>; check(): void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { done: promise, check: () => condition() && resolve() };
}
