/** An upgrade of the embedded database, killed with -9 in its middle. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { migrationNames, migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import { withPlatform } from '#db/scope.ts';
import { checkIsolation } from '#db/self-test.ts';
import { pglite } from './pglite.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gatehouse-upgrade-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** An older version's data directory with an organization; then the new version, which is killed before it commits. */
const upgradeScript = `
  import { Kysely, sql } from 'kysely';
  import { pglite } from '#adapters/database/pglite/pglite.ts';
  import { finishSchema, migrationNames, remakeSchema } from '#db/migrate.ts';
  const run = async (dialect) => {
    const db = new Kysely({ dialect });
    await db.transaction().execute(async (tx) => {
      await remakeSchema(tx, migrationNames.slice(0, 8));
      await sql\`insert into gateway.organizations (slug, name) values ('acme', 'Acme')\`.execute(tx);
    });
    await db.transaction().execute(async (tx) => {
      await finishSchema(tx);
      process.kill(process.pid, 'SIGKILL');
    });
  };
  await pglite.open({ directory: process.argv[1] }, { migrations: { fingerprint: 'older', run }, clock: {}, log: {} });`;

test('an upgrade of the embedded database that is killed leaves it as it was, and the next start finishes it [R28] [R16]', {
  timeout: 90_000,
}, async () => {
  const root = new URL('../../../..', import.meta.url);
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', upgradeScript, folder], { cwd: root });
  const said: string[] = [];
  child.stderr.on('data', (chunk) => said.push(String(chunk)));
  const [, signal] = await once(child, 'close');
  expect([signal, said.join('')]).toEqual(['SIGKILL', '']);
  const before: string[] = [];
  const watched = {
    fingerprint: migrations.fingerprint,
    run: async (dialect: Parameters<typeof migrations.run>[0]) => {
      const { rows } = await sql<{ name: string }>`select name from gateway.migration order by 1`.execute(
        openDb(dialect),
      );
      before.push(...rows.map(({ name }) => name));
      await migrations.run(dialect);
    },
  };
  const database = await pglite.open(
    { directory: folder },
    { migrations: watched, clock: systemClock, log: silentLog },
  );
  expect(before).toEqual(migrationNames.slice(0, 8));
  const db = openDb(database.dialect);
  await checkIsolation(db);
  const groups = await withPlatform(db, ({ tx }) =>
    tx
      .selectFrom('groups as g')
      .innerJoin('organizations as o', 'o.id', 'g.org_id')
      .select(['o.slug', 'g.name'])
      .execute(),
  );
  expect(groups).toEqual([{ slug: 'acme', name: 'MCP-Admin' }]);
  await database.close();
});
