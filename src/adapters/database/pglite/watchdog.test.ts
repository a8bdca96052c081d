import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { DummyDriver, Kysely, PostgresAdapter, PostgresIntrospector, PostgresQueryCompiler, sql } from 'kysely';
import { expect, test } from 'vitest';
import { withWatchdog } from './watchdog.ts';

/** A driver whose queries answer when told to. */
function openSlowDatabase(stuckMs: number) {
  const answers: (() => void)[] = [];
  const driver = new DummyDriver();
  const connection = {
    executeQuery: () =>
      new Promise<{ rows: never[] }>((resolve) => {
        answers.push(() => resolve({ rows: [] }));
      }),
    streamQuery: () => {
      throw new Error('not used');
    },
  };
  driver.acquireConnection = async () => connection;
  const dialect = {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => driver,
    createIntrospector: (db: Kysely<unknown>) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
  return { db: new Kysely<unknown>({ dialect: withWatchdog(dialect, stuckMs) }), answers };
}

test('a query that hangs is given up, and those after it are refused at once [R15]', async () => {
  const { db, answers } = openSlowDatabase(100);
  const ask = () => sql`select 1`.execute(db);
  await expect(ask()).rejects.toMatchObject({ code: 'storage_unavailable' });
  await expect(ask()).rejects.toMatchObject({ code: 'storage_unavailable' });
  expect(answers).toHaveLength(1);
  answers[0]?.();
  await new Promise((resolve) => setImmediate(resolve));
  const asked = ask();
  while (answers.length < 2) await new Promise((resolve) => setImmediate(resolve));
  answers[1]?.();
  await asked;
});

test('a transaction in which a query hangs fails, and does not hang in its rollback [R15]', async () => {
  const { db } = openSlowDatabase(100);
  const work = db.transaction().execute((tx) => sql`select 1`.execute(tx));
  await expect(work).rejects.toMatchObject({ code: 'storage_unavailable' });
});

const blockedScript = `
  import { openBlockGuard } from ${JSON.stringify(new URL('./block-guard.ts', import.meta.url).href)};
  const guard = openBlockGuard(1_000);
  guard.enter()();
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  console.log('an ended statement harms nothing');
  guard.enter();
  for (;;);`;

test('a statement that blocks the whole process ends it, with a word on why [R15]', async () => {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', blockedScript]);
  const [said, complaint, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect({ code, signal }).toEqual({ code: null, signal: 'SIGKILL' });
  expect(said).toContain('harms nothing');
  expect(complaint).toContain('is the disk full?');
});
