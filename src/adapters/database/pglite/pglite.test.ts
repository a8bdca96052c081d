import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import { withPlatform } from '#db/scope.ts';
import { insertOrganization, listOrganizations } from '#records/organizations.ts';
import { describeDatabase } from '../database.contract.ts';
import type { Database } from '../database.ts';
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
      message: `The data directory ${join(folder, 'held')} is locked by process ${process.pid} on ${hostname()}`,
    });
    await first.close();
    await (await open('held')).close();
  });
});

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
    const directory = await mkdtemp(join(folder, 'race-'));
    const stale = { host: hostname(), pid: process.pid, started: 'an earlier boot:1', token: 'x' };
    await writeFile(join(directory, 'postgres.lock'), JSON.stringify(stale));
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => lockDirectory(directory)));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
  });
});
