import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeDatabase } from '#adapters/database/database.contract.ts';
import type { Database } from '#adapters/database/database.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { migrations } from '#db/migrate.ts';
import { openChangeFeed } from '#db/notified-change-feed.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';
import { callRecord } from '#kit/call-records.ts';
import { openChain } from '#records/audit/chain.ts';
import { openAuditKeys } from '#records/audit/keys.ts';
import { insertOrganization, listOrganizations } from '#records/organizations.ts';
import { openSnapshotStore } from '#records/snapshot-store.ts';
import { lockDirectory } from './lock.ts';
import { pglite } from './pglite.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-pglite-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const open = async (name: string): Promise<Database> =>
  pglite.open(
    { directory: join(folder, name), seedFolder: join(folder, '.cache') },
    { migrations, clock: systemClock, log: silentLog },
  );

describeDatabase('PGlite', () => open('contract'));

describe('the data directory', () => {
  test('a new one comes from the prepared seed within three seconds', async () => {
    expect(await readdir(join(folder, '.cache'))).toEqual([expect.stringMatching(/^seed-[0-9a-f]+-[0-9.]+\.tar$/)]);
    const start = performance.now();
    const database = await open('second');
    expect(performance.now() - start).toBeLessThan(3_000);
    await database.close();
  });

  test('keeps what was written when it is opened again', async () => {
    const first = await open('kept');
    await withPlatform(openDb(first.dialect), (scope) => insertOrganization(scope, { slug: 'acme', name: 'Acme' }));
    await first.close();
    const second = await open('kept');
    const found = await withPlatform(openDb(second.dialect), listOrganizations);
    expect(found.map((organization) => organization.slug)).toEqual(['acme']);
    await second.close();
  });

  test('a second opener is refused with one sentence that names the holder [R16]', async () => {
    const first = await open('held');
    await expect(open('held')).rejects.toMatchObject({
      code: 'setting',
      message: `The data directory ${join(folder, 'held')} is locked by process ${process.pid} on ${hostname()}: stop it, or set DATA_DIR to another folder`,
    });
    await first.close();
    await (await open('held')).close();
  });
});

describe('the gateway on PGlite', () => {
  test('keeps organizations, collections, call records and changes as on a server', async () => {
    const database = await open('smoke');
    const db = openDb(database.dialect);
    const feed = await openChangeFeed({ db, notifications: database, log: silentLog });
    const store = openSnapshotStore({ db, feed, clock: systemClock, log: silentLog });
    await publish(db, 'org_1', 'docs');
    await publish(db, 'org_2', 'docs');
    const first = await store.load('org_1');
    expect(first?.endpoints.get('docs')?.bindings[0]?.server).toMatchObject({ key: 'ragie', enabled: true });
    const changed = Promise.withResolvers<Change>();
    feed.subscribe(changed.resolve);
    await publish(db, 'org_1', 'more');
    expect(await changed.promise).toEqual({ kind: 'organization', id: first?.id });
    await expect.poll(() => store.find('org_1')?.endpoints.has('more')).toBe(true);
    if (!first) throw new Error('no organization');
    const seen = await withOrganization(db, first.id, ({ tx }) =>
      tx.withSchema('public').selectFrom('collections').select('name').orderBy('name').execute(),
    );
    expect(seen).toEqual([{ name: 'docs' }, { name: 'more' }]);
    await openChain({ db, keys: openAuditKeys('a root secret'), clock: systemClock }).insert([
      callRecord({ org: first.id }),
      callRecord({ org: null }),
    ]);
    const rows = await withOrganization(db, first.id, ({ tx }) => tx.selectFrom('audit').select('open').execute());
    expect(rows).toEqual([{ open: false }]);
    await store.close();
    await feed.close();
    await database.close();
  });

  test('loses nothing it acknowledged when it is killed under writes [R16]', async () => {
    const directory = join(folder, 'second');
    for (let round = 0; round < 2; round++) {
      const writer = spawn(
        process.execPath,
        ['--input-type=module-typescript', '-e', writerScript, directory, String(round)],
        {
          cwd: new URL('../../../..', import.meta.url),
          stdio: ['ignore', 'pipe', 'inherit'],
        },
      );
      const ended = once(writer, 'close');
      let acknowledged = 0;
      for await (const line of createInterface({ input: writer.stdout })) {
        acknowledged = Number(line);
        if (acknowledged === 20 + round * 7) writer.kill('SIGKILL');
      }
      await ended;
      const database = await open('second');
      const found = await withPlatform(openDb(database.dialect), listOrganizations);
      expect(found.filter(({ slug }) => slug.startsWith(`w${round}-`)).length).toBeGreaterThanOrEqual(acknowledged);
      await database.close();
    }
  });
});

/** As an operator would, in the format of the view. */
function publish(db: Db, org: string, name: string): Promise<void> {
  return db.transaction().execute(async (tx) => {
    await sql`set local role gatehouse_operator`.execute(tx);
    await sql`insert into public.collections (name, organization_id, partition, ragie_api_key, allowed_roles)
      values (${name}, ${org}, 'p', 'sealed', '["admin"]')`.execute(tx);
  });
}

const writerScript = `
  import { pglite } from ${JSON.stringify(new URL('./pglite.ts', import.meta.url).href)};
  import { migrations } from '#db/migrate.ts';
  import { openDb } from '#db/open.ts';
  import { withOrganization, withPlatform } from '#db/scope.ts';
  import { silentLog } from '#core/log.ts';
  import { systemClock } from '#core/clock.ts';
  import { insertOrganization } from '#records/organizations.ts';
  const [directory, round] = process.argv.slice(1);
  const database = await pglite.open({ directory }, { migrations, clock: systemClock, log: silentLog });
  const db = openDb(database.dialect);
  for (let n = 1; ; n++) {
    await withPlatform(db, (scope) => insertOrganization(scope, { slug: 'w' + round + '-' + n, name: 'x' }));
    console.log(n);
  }`;

describe('the lock', () => {
  const holderScript = `
    import { lockDirectory } from ${JSON.stringify(new URL('./lock.ts', import.meta.url).href)};
    await lockDirectory(process.argv[1]);
    console.log('locked');
    setInterval(() => {}, 1000);`;
  const root = new URL('../../../..', import.meta.url);

  test('refuses while its process lives, and is taken over after kill -9 [R16]', async () => {
    const directory = await mkdtemp(join(folder, 'killed-'));
    const holder = spawn(process.execPath, ['--input-type=module-typescript', '-e', holderScript, directory], {
      cwd: root,
    });
    await once(holder.stdout, 'data');
    await expect(lockDirectory(directory)).rejects.toThrow(`locked by process ${holder.pid}`);
    holder.kill('SIGKILL');
    await once(holder, 'close');
    await (await lockDirectory(directory))();
    expect(await readdir(directory)).toEqual([]);
  });

  test('is taken over when its process id belongs to another process by now', async () => {
    const directory = await mkdtemp(join(folder, 'reused-'));
    const path = join(directory, 'postgres.lock');
    await writeFile(
      path,
      JSON.stringify({ host: hostname(), pid: process.pid, started: 'an earlier boot:1', token: 'x' }),
    );
    const release = await lockDirectory(directory);
    expect(JSON.parse(await readFile(path, 'utf8')).token).not.toBe('x');
    await release();
  });

  test('is taken by exactly one of many starters that find a stale one', async () => {
    for (let round = 0; round < 25; round++) {
      const directory = await mkdtemp(join(folder, 'race-'));
      const stale = { host: hostname(), pid: process.pid, started: 'an earlier boot:1', token: 'x' };
      await writeFile(join(directory, 'postgres.lock'), round % 5 === 4 ? '{' : JSON.stringify(stale));
      const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(directory)));
      expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
      expect(await readdir(directory)).toEqual(['postgres.lock']);
    }
  });
});
