/** A backup holds every row of every table as it was, and goes into either kind of database: all of it, or nothing. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Kysely, PostgresDialect, sql } from 'kysely';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inOrder } from '#db/backup/catalogue.ts';
import { takeBackup } from '#db/backup/take.ts';
import { migrationNames, remakeSchema } from '#db/migrate.ts';
import { seedOrganizations } from '#kit/organization-rows.ts';
import { createEmptyDatabase, createTestDatabase, sqlOf, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-backup-'));
const file = join(folder, 'all.backup');
let source: TestDatabase;

beforeAll(async () => {
  source = await createTestDatabase();
  await seedOrganizations(source, { count: 40 });
  await source.sql(`insert into gateway.settings values ('none', 'null'), ('digits', '[9007199254740993, 1.10, 1e400]'),
    ('text', to_jsonb(e'line\\nline\\u2028"quoted" \\\\ \\t end'::text))`);
  await source.sql(`update gateway.api_keys set digest = '\\x00ff0a5b5d', expires_at = 'infinity'`);
  await source.sql(
    `update gateway.usage set bytes_in = 9007199254740993, response_time_ms = 0.1::float8 + 0.2::float8`,
  );
  await source.sql(`insert into gateway.openapi_documents (org_id, digest, text, title, version)
    select id, repeat('0', 64), repeat('long ', 700000), 't', '1' from gateway.organizations limit 1`);
}, 60_000);
afterAll(async () => {
  await source?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Nobody's demo, and no key by which the trail could be written: what is there stays as it is. */
const embedded = (name: string) => ({ HOST: '0.0.0.0', DATA_DIR: join(folder, name) });

const server = (url: string) => ({ DATABASE_URL: url, DATA_DIR: join(folder, 'none') });

/** Of a PostgreSQL database: table → its rows as text, sorted. */
async function rowsOf(url: string): Promise<Record<string, readonly unknown[]>> {
  const tables = await sqlOf(
    url,
    `select relname as name from pg_class where relnamespace = 'gateway'::regnamespace and relkind = 'r'
     and relname not in ('migration', 'migration_lock', 'change_counter') order by 1`,
  );
  const found: Record<string, readonly unknown[]> = {};
  for (const { name } of tables) {
    const rows = await sqlOf(url, `select t::text as row from gateway."${String(name)}" t order by 1`);
    found[String(name)] = rows.map(({ row }) => row);
  }
  return found;
}

const lines = (path: string) => gunzipSync(readFileSync(path)).toString('utf8').split('\n').slice(0, -1);

/** With a tail that fits. */
function writeLines(path: string, changed: readonly string[]): void {
  const body = changed.slice(0, -1).map((line) => `${line}\n`);
  const tail = JSON.parse(changed.at(-1) ?? '');
  tail.sha256 = createHash('sha256').update(body.join('')).digest('hex');
  writeFileSync(path, gzipSync(`${body.join('')}${JSON.stringify(tail)}\n`));
}

test('what is backed up and restored elsewhere is equal row by row, to the embedded database and back [R27]', async () => {
  const taken = await cli(['backup', file, '--json'], { env: server(source.url) });
  expect(taken.err).toBe('');
  const said = JSON.parse(taken.out);
  expect(said).toMatchObject({ file, bytes: statSync(file).size });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const there = await cli(['restore', file, '--json'], { env: embedded('embedded') });
  expect(there).toMatchObject({ code: 0, err: '' });
  expect(JSON.parse(there.out)).toMatchObject({ rows: said.rows, restored: true });
  const again = join(folder, 'again.backup');
  expect(await cli(['backup', again], { env: embedded('embedded') })).toMatchObject({ code: 0 });
  const url = await createEmptyDatabase();
  expect(await cli(['restore', again], { env: server(url) })).toMatchObject({ code: 0 });
  const [before, after] = [await rowsOf(source.url), await rowsOf(url)];
  expect(Object.values(before).filter((rows) => rows.length > 0).length).toBeGreaterThan(35);
  expect(Object.keys(after)).toEqual(Object.keys(before));
  for (const [table, rows] of Object.entries(before)) expect(after[table], table).toEqual(rows);
  const last = await sqlOf(url, 'select max(seq)::text as seq from gateway.usage');
  const next = await sqlOf(url, `select nextval(pg_get_serial_sequence('gateway.usage', 'seq'))::text as seq`);
  expect(Number(next[0]?.seq)).toBe(Number(last[0]?.seq) + 1);
  // Triggers stand again: an organization gets its group, and a change is announced.
  const counted = await sqlOf(url, 'select value::text from gateway.change_counter');
  await sqlOf(url, `insert into gateway.organizations (slug, name) values ('acme', 'Acme')`);
  expect(
    await sqlOf(
      url,
      `select g.name from gateway.groups g join gateway.organizations o on o.id = g.org_id
    where o.slug = 'acme'`,
    ),
  ).toEqual([{ name: 'MCP-Admin' }]);
  expect(await sqlOf(url, 'select value::text from gateway.change_counter')).not.toEqual(counted);
}, 120_000);

describe('a restore is refused, and nothing has changed,', () => {
  let empty = '';
  beforeAll(async () => {
    empty = await createEmptyDatabase();
  });
  const refused = async (path: string, ...more: string[]) => {
    const run = await cli(['restore', path, ...more], { env: server(empty) });
    expect(run.code).toBe(1);
    const [made] = await sqlOf(empty, `select to_regclass('gateway.organizations') is not null as made`);
    if (made?.made) expect(await sqlOf(empty, 'select from gateway.organizations')).toEqual([]);
    return run.err;
  };

  test('when a byte of the file was changed, wherever [R27]', async () => {
    const bytes = readFileSync(file);
    for (const at of [200, bytes.length >> 1, bytes.length - 6]) {
      const changed = Buffer.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 0x40;
      const path = join(folder, 'changed.backup');
      writeFileSync(path, changed);
      expect(await refused(path)).toContain(`${path} is no whole backup`);
    }
    const edited = join(folder, 'edited.backup');
    writeFileSync(edited, gzipSync(gunzipSync(bytes).toString('utf8').replace('nm00003x', 'nm00099x')));
    expect(await refused(edited)).toContain('it was changed after it was made');
  });

  test('when the file was cut off, even at the end of a line [R27]', async () => {
    const path = join(folder, 'cut.backup');
    writeFileSync(path, readFileSync(file).subarray(0, 5000));
    expect(await refused(path)).toContain('is no whole backup');
    writeFileSync(path, gzipSync(`${lines(file).slice(0, 300).join('\n')}\n`));
    expect(await refused(path)).toContain('it ends too early');
    writeFileSync(path, 'something else');
    expect(await refused(path)).toContain('is no whole backup');
    expect(await refused(join(folder, 'missing.backup'))).toContain('does not exist');
  });

  test('when its schema is newer, or another [R27] [R28]', async () => {
    const [head = '', ...rest] = lines(file);
    const path = join(folder, 'newer.backup');
    const changed = JSON.parse(head);
    changed.schema.migrations.push('9999-future');
    writeLines(path, [JSON.stringify({ ...changed, version: '99.0.0' }), ...rest]);
    expect(await refused(path, '--dry-run')).toContain(
      'newer schema than this version of the gateway: restore it with version 99.0.0',
    );
    writeLines(path, [head.replace(/"fingerprint":"\w+"/, '"fingerprint":"0123456789abcdef"'), ...rest]);
    expect(await refused(path)).toContain("is not one of this gateway's");
    writeLines(path, [head.replace('"format":1', '"format":2'), ...rest]);
    expect(await refused(path)).toContain('in a form that this one does not know');
  });

  test('when a row in the middle does not fit: nothing is half restored [R27]', async () => {
    const all = lines(file);
    const at = all.findIndex((line) => line.startsWith('{"table":"grants"')) + 1;
    const path = join(folder, 'unfit.backup');
    // A server that there is not.
    const foreign = (all[at] ?? '').replace(/"[0-9a-f-]{36}"/g, '"00000000-0000-7000-8000-000000000000"');
    writeLines(path, all.with(at, foreign));
    await refused(path);
    expect(await sqlOf(empty, 'select from gateway.users')).toEqual([]);
  });

  test('when the database is in use, unless what is there is to be replaced [R27]', async () => {
    const used = await createEmptyDatabase();
    const env = server(used);
    expect((await cli(['restore', file], { env })).code).toBe(0);
    await sqlOf(used, `insert into gateway.organizations (slug, name) values ('acme', 'Acme')`);
    const dry = await cli(['restore', file, '--dry-run'], { env });
    expect(dry.code).toBe(1);
    expect(dry.err).toMatch(/The database is in use \(there are rows in .*--replace/);
    expect((await cli(['restore', file], { env })).err).toBe(dry.err);
    const kept = await sqlOf(used, `select slug from gateway.organizations where slug = 'acme'`);
    expect(kept).toEqual([{ slug: 'acme' }]);
    expect(await cli(['restore', file, '--replace'], { env })).toMatchObject({ code: 0 });
    expect(await rowsOf(used)).toEqual(await rowsOf(source.url));
    await sqlOf(used, `insert into gateway.migration values ('9999-future', '2030-01-01T00:00:00.000Z')`);
    expect((await cli(['restore', file, '--replace'], { env })).err).toContain('newer than this version');
    const newer = await cli(['backup', join(folder, 'of-newer.backup')], { env });
    expect(newer.err).toContain('take the backup with that one');
    expect(readdirSync(folder).filter((name) => name.startsWith('of-newer'))).toEqual([]);
  });
});

test('a dry run says what it would do and changes nothing; a file that is there is not overwritten [R27]', async () => {
  const url = await createEmptyDatabase();
  const dry = await cli(['restore', file, '--dry-run'], { env: server(url) });
  expect(dry.code).toBe(0);
  expect(dry.err).toMatch(/^Nothing was changed. The backup is whole: \d+ rows of \d+ tables, by version 1\.2\.3/);
  expect(await sqlOf(url, 'select from gateway.organizations')).toEqual([]);
  const shown = await cli(['backup', file, '--show']);
  expect(shown.out).toMatch(/^organizations +40$/m);
  expect(shown.err).toMatch(/^Whole. Made by version 1\.2\.3 at /);
  const bytes = readFileSync(file);
  expect((await cli(['backup', file], { env: server(source.url) })).err).toContain('is there already');
  expect(readFileSync(file).equals(bytes)).toBe(true);
});

test('a backup of an older schema is brought up to date as an upgrade does it [R27] [R28]', async () => {
  const old = await createEmptyDatabase();
  const path = join(folder, 'old.backup');
  const pool = new pg.Pool({ connectionString: old, max: 1 });
  const dialect = new PostgresDialect({ pool });
  await new Kysely<unknown>({ dialect }).transaction().execute(async (tx) => {
    await remakeSchema(tx, migrationNames.slice(0, 5));
    await sql`insert into gateway.organizations (slug, name) values ('acme', 'Acme')`.execute(tx);
  });
  await takeBackup(dialect, { path, version: '0.0.9', now: Date.now() });
  await pool.end();
  const url = await createEmptyDatabase();
  expect(await cli(['restore', path], { env: server(url) })).toMatchObject({ code: 0 });
  expect(await sqlOf(url, 'select name from gateway.migration order by 1')).toEqual(
    migrationNames.map((name) => ({ name })),
  );
  // A later migration gave every organization its group of administrators.
  const groups = `select o.slug, g.name from gateway.organizations o join gateway.groups g on g.org_id = o.id`;
  expect(await sqlOf(url, groups)).toEqual([{ slug: 'acme', name: 'MCP-Admin' }]);
}, 60_000);

test('an owner who is no superuser backs up every row; a login that only takes the roles is refused [R27]', async () => {
  const url = new URL(await createEmptyDatabase());
  const name = url.pathname.slice(1);
  await source.sql(`create role owner_of_${name} login createrole password 'pass'`);
  await source.sql(`create role login_of_${name} login password 'pass' in role gatehouse_app, gatehouse_platform`);
  await source.sql(`alter database ${name} owner to owner_of_${name}`);
  await source.sql(`grant gatehouse_app, gatehouse_platform to owner_of_${name}`);
  Object.assign(url, { username: `owner_of_${name}`, password: 'pass' });
  expect(await cli(['restore', file], { env: server(url.href) })).toMatchObject({ code: 0 });
  const path = join(folder, 'of-owner.backup');
  expect(await cli(['backup', path], { env: server(url.href) })).toMatchObject({ code: 0 });
  const counts = (of: string) => ({ ...JSON.parse(lines(of).at(-1) ?? '').tables });
  expect(counts(path)).toEqual(counts(file));
  url.username = `login_of_${name}`;
  const refused = await cli(['backup', join(folder, 'of-login.backup')], { env: server(url.href) });
  expect(refused.err).toContain('does not own the tables');
}, 60_000);

test('tables come after those they refer to; a circle is entered somewhere', () => {
  const refer = (table: string, target: string) => ({ table, target, constraint: `${table}_${target}` });
  expect(inOrder(['a', 'b', 'c'], [refer('a', 'b'), refer('b', 'c'), refer('c', 'c')])).toEqual(['c', 'b', 'a']);
  expect(inOrder(['a', 'b', 'c'], [refer('a', 'b'), refer('b', 'a'), refer('c', 'b')])).toEqual(['a', 'b', 'c']);
});
