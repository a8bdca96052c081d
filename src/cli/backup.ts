/** `backup` and `restore`: everything that the gateway keeps in its database, as one file. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { findRunning } from '#admin/gateway-file.ts';
import type { Verified } from '#app/backup.ts';
import { type Config, loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import type { Contents } from '#db/backup/format.ts';
import type { Io } from './io.ts';
import { printJson } from './output.ts';
import { openProgress } from './progress.ts';
import { printTable } from './table.ts';

interface BackupOptions {
  readonly json?: boolean;
}

export async function backUp(
  io: Io,
  file: string,
  options: BackupOptions & { readonly version: string },
): Promise<void> {
  const config = loadConfig({ ...io, purpose: 'database' });
  await refuseRunning(config, 'taking a backup');
  if (config.database.url === undefined && !existsSync(config.dataDir))
    throw new GatehouseError('setting', { message: `There is no database: ${config.dataDir} does not exist` });
  const path = resolve(io.cwd, file);
  const { backUp: take } = await import('#app/backup.ts');
  const progress = openProgress(io, 'Backing up');
  const taken = await take(config, {
    ...{ path, version: options.version },
    onProgress: (rows, table) => progress.report({ progress: rows, message: `rows, ${table}` }),
  }).finally(() => progress.close());
  if (options.json) return printJson(io, { file: path, ...taken });
  io.err(`${path}: ${taken.rows} rows of ${taken.tables} tables, ${taken.bytes} bytes.\n`);
  io.err(`${keyAdvice(config)}\n`);
}

/** Needs no database. */
export async function showBackup(io: Io, file: string, options: BackupOptions): Promise<void> {
  const { readBackup } = await import('#db/backup/format.ts');
  const { head, tail } = await readBackup(resolve(io.cwd, file));
  if (options.json) return printJson(io, { ...head, ...tail });
  const rows = Object.entries(tail.tables).filter(([, count]) => count > 0);
  printTable(
    io,
    ['TABLE', 'ROWS'],
    rows.toSorted().map(([table, count]) => [table, String(count)]),
  );
  const newest = head.schema.migrations.at(-1);
  io.err(`Whole. Made by version ${head.version} at ${head.madeAt}; its schema is that of ${newest}.\n`);
}

function keyAdvice({ secrets, demo, dataDir }: Config): string {
  if (secrets.kms)
    return 'Credentials in it open with your key management and ENCRYPTION_KEY only, which are not in it.';
  const key = demo && !secrets.encryptionKey ? `the key in ${dataDir}/keys.json` : 'ENCRYPTION_KEY';
  return `Credentials in it open with ${key} only, which is not in it: keep that, too, and elsewhere.`;
}

/** The embedded database is one process's. */
async function refuseRunning({ dataDir, database }: Config, what: string): Promise<void> {
  if (database.url !== undefined) return;
  const running = await findRunning(dataDir);
  if (!running) return;
  throw new GatehouseError('setting', {
    message: `The gateway that runs at ${running.url} (process ${running.pid}) has the embedded database: stop it before ${what}`,
  });
}

interface RestoreOptions {
  readonly dryRun?: boolean;
  readonly verify?: boolean;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export async function restore(io: Io, file: string, options: RestoreOptions): Promise<void> {
  const config = loadConfig({ ...io, purpose: 'database' });
  const path = resolve(io.cwd, file);
  const { replace = false, dryRun = false } = options;
  const app = await import('#app/backup.ts');
  const progress = openProgress(io, dryRun ? 'Checking' : 'Restoring');
  const wish = {
    ...{ path, replace },
    onProgress: (rows: number, table: string) => progress.report({ progress: rows, message: `rows, ${table}` }),
  };
  const work = async () => {
    if (dryRun && options.verify)
      return { contents: await app.checkBackup(path), verified: await app.verifyFile(config, wish) };
    await refuseRunning(config, 'restoring');
    if (dryRun) return { contents: await app.checkRestore(config, wish) };
    const contents = await app.restore(config, wish);
    const verified = options.verify ? await app.verifyRestored(config, contents) : undefined;
    await app.note(config, 'database.restore', { madeAt: contents.head.madeAt });
    return { contents, verified };
  };
  const { contents, verified } = await work().finally(() => progress.close());
  if (options.json) printJson(io, shown(contents, { restored: !dryRun, verified }));
  else print(io, { contents, verified, dryRun });
  if (verified) refuseWrong(verified);
}

function shown(
  { head, tail }: Contents,
  rest: { readonly restored: boolean; readonly verified: Verified | undefined },
) {
  const { rows, tables } = tail;
  return { version: head.version, madeAt: head.madeAt, rows, tables, ...rest };
}

interface Said {
  readonly contents: Contents;
  readonly verified: Verified | undefined;
  readonly dryRun: boolean;
}

function print(io: Io, { contents: { head, tail }, verified, dryRun }: Said): void {
  const what = `${tail.rows} rows of ${Object.keys(tail.tables).length} tables, by version ${head.version} of ${head.madeAt}`;
  io.err(dryRun ? `Nothing was changed. The backup is whole: ${what}.\n` : `Restored: ${what}.\n`);
  if (!verified) return;
  const { trail, sealed } = verified;
  io.err(`Trail: ${trail.rows} rows in ${trail.chains} chains, ${trail.problems.length} problems.\n`);
  const locked = Object.values(sealed.locked).reduce((sum, one) => sum + one, 0);
  io.err(`Sealed values: ${sealed.tried - locked} of ${sealed.tried} tried open.\n`);
}

/** The exit code says it too. */
function refuseWrong({ different, trail, sealed }: Verified): void {
  const wrong = [
    ...Object.entries(different).map(([table, { wanted, found }]) => `${table} has ${found} rows instead of ${wanted}`),
    ...(trail.problems.length > 0 ? ['the trail is not as it was written (see `gatehouse audit verify`)'] : []),
    ...(Object.keys(sealed.locked).length > 0
      ? [`${Object.keys(sealed.locked).join(', ')} are locked: ENCRYPTION_KEY is not the one they were sealed with`]
      : []),
  ];
  if (wrong.length > 0) throw new GatehouseError('setting', { message: `Not as it should be: ${wrong.join('; ')}` });
}
