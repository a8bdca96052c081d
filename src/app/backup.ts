/** Backup and restore of whatever database the settings name, and the proof that a restored one is what it should be. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import type { DatabaseDeps } from '#adapters/database/database.ts';
import { databaseAdapters } from '#adapters/database/index.ts';
import { openEncryptionKey } from '#config/demo-keys.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import type { JsonObject } from '#core/json.ts';
import { silentLog } from '#core/log.ts';
import type { Contents } from '#db/backup/format.ts';
import { checkBackup, checkTarget, type RestoreOptions, restoreBackup } from '#db/backup/restore.ts';
import { type Taken, type TakeOptions, takeBackup } from '#db/backup/take.ts';
import { migrations } from '#db/migrate.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { openAuditKeys } from '#records/audit/keys.ts';
import type { Problem } from '#records/audit/verify.ts';
import { verifyDatabase } from '#records/audit/verify-database.ts';
import { type SealedSample, trySealed } from '#records/sealed-sample.ts';
import { openClosers } from './closers.ts';
import { openRecords } from './open-records.ts';
import { openOauthSealer } from './root-keys.ts';
import { databaseSettings, openStorage, serverSecretSealer } from './storage.ts';

export { checkBackup } from '#db/backup/restore.ts';

/** Throws `setting`, `conflict` (the file is there), `storage_unavailable`. */
export async function backUp(config: Config, options: Omit<TakeOptions, 'now'>): Promise<Taken> {
  // First: it is in the trail of what is backed up, and nobody takes everything unseen.
  await note(config, 'database.backup', {});
  let taken: Taken | undefined;
  await asOwner(config, async (dialect) => {
    taken = await takeBackup(dialect, { ...options, now: systemClock.now() });
  });
  if (!taken) throw new Error('the database was opened without its owner');
  return taken;
}

/** Throws `bad_request` (of the file), `setting`, `conflict` (the database is in use), `storage_unavailable`. */
export async function restore(config: Config, options: RestoreOptions): Promise<Contents> {
  const contents = await checkBackup(options.path);
  await asOwner(config, async (dialect) => {
    await restoreBackup(dialect, options);
  });
  return contents;
}

/** As `restore`, up to the point where something would change. */
export async function checkRestore(config: Config, options: RestoreOptions): Promise<Contents> {
  const contents = await checkBackup(options.path);
  await asOwner(config, (dialect) => checkTarget(dialect, options));
  return contents;
}

async function asOwner(config: Config, work: NonNullable<DatabaseDeps['asOwner']>): Promise<void> {
  const deps = { migrations, clock: systemClock, log: silentLog, asOwner: work };
  const database = await databaseAdapters.open(databaseSettings(config), deps);
  await database.close();
}

/** In the trail, where the key is at hand that it needs. */
export async function note(config: Config, action: string, detail: JsonObject): Promise<void> {
  if (!config.secrets.encryptionKey && !config.demo) return;
  const { audit, close } = await openRecords(config, silentLog);
  try {
    const by = { kind: 'platform', isCommandLine: true } as const;
    const event = { at: systemClock.now(), by, action, actor: 'command line', target: undefined } as const;
    await audit.audit({ ...event, organization: undefined, outcome: 'done', isChange: true, detail });
  } finally {
    await close();
  }
}

export interface Verified {
  /** Tables that hold another number of rows than the backup says. */
  readonly different: Readonly<Record<string, { readonly wanted: number; readonly found: number }>>;
  readonly trail: { readonly rows: number; readonly chains: number; readonly problems: readonly Problem[] };
  readonly sealed: SealedSample;
}

/** Of a database that was just restored. Throws `setting` (there is no ENCRYPTION_KEY). */
export async function verifyRestored(config: Config, { tail }: Contents): Promise<Verified> {
  const closers = openClosers();
  try {
    const storage = await openStorage(config, { clock: systemClock, log: silentLog, closers });
    const { db, vault, rootSecret } = storage;
    const different = await compareCounts(db, tail.tables);
    const { rows, chains, problems } = await verifyDatabase(db, openAuditKeys(rootSecret.reveal()), undefined);
    const servers = serverSecretSealer(storage);
    const sealed = await trySealed({ db, vault, root: openOauthSealer(storage), servers });
    return { different, trail: { rows, chains, problems }, sealed };
  } finally {
    await closers.closeAll(silentLog);
  }
}

/** Restores into an embedded database that is thrown away afterwards: nothing else is touched. */
export async function verifyFile(config: Config, options: Omit<RestoreOptions, 'replace'>): Promise<Verified> {
  const encryptionKey = await openEncryptionKey(config);
  const folder = await mkdtemp(join(tmpdir(), 'gatehouse-verify-'));
  const trial: Config = {
    ...config,
    dataDir: folder,
    database: { ...config.database, url: undefined },
    secrets: { ...config.secrets, encryptionKey },
  };
  try {
    return await verifyRestored(trial, await restore(trial, { ...options, replace: false }));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function compareCounts(db: Db, wanted: Readonly<Record<string, number>>): Promise<Verified['different']> {
  const different: Record<string, { wanted: number; found: number }> = {};
  for (const [table, rows] of Object.entries(wanted)) {
    const found = await withPlatform(db, ({ tx }) => countRows(tx, table));
    if (found !== rows) different[table] = { wanted: rows, found };
  }
  return different;
}

async function countRows(tx: Parameters<Parameters<typeof withPlatform>[1]>[0]['tx'], table: string): Promise<number> {
  const { rows } = await sql<{ n: string }>`select count(*)::text as n from ${sql.id('gateway', table)}`.execute(tx);
  return Number(rows[0]?.n ?? 0);
}
