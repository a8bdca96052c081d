/** Storage for a command that works without a running gateway: the database, the vault, the records; nothing in memory. */
import { join } from 'node:path';
import { databaseAdapters } from '#adapters/database/index.ts';
import { kmsAdapters } from '#adapters/kms/index.ts';
import type { AdminRecords } from '#admin/records.ts';
import { openAdminRecords } from '#admin/storage.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';
import { migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import { openApiKeys } from '#records/api-key.ts';
import { openDataKeyStore } from '#records/data-keys.ts';
import { s0Opener } from '#records/s0-ciphertext.ts';
import { openVault } from '#records/vault.ts';

export interface OpenRecords {
  readonly records: AdminRecords;
  close(): Promise<void>;
}

/** For the registry: PostgreSQL by URL, else PGlite in the data directory. */
export function databaseSettings({ database, dataDir }: Pick<Config, 'database' | 'dataDir'>): {
  readonly kind: string;
} {
  const { url, poolSize, connectMs, queryMs } = database;
  if (url === undefined) return { kind: 'pglite', ...{ directory: dataDir, seedFolder: join(dataDir, '.seed') } };
  const timeouts = { connectTimeoutMs: connectMs, queryTimeoutMs: queryMs };
  return { kind: 'postgres', ...{ url: url.reveal(), poolSize, ...timeouts } };
}

export async function openRecords(config: Config, rootSecret: Secret, log: Log): Promise<OpenRecords> {
  const clock = systemClock;
  const database = await databaseAdapters.open(databaseSettings(config), { migrations, clock, log });
  const db = openDb(database.dialect);
  const kms = await kmsAdapters.open({ kind: 'environment' }, { rootSecret, clock, log });
  const vault = openVault({ kms, store: openDataKeyStore(db), clock, openLegacy: s0Opener(rootSecret.reveal()) });
  return {
    records: openAdminRecords({
      db,
      vault,
      keys: openApiKeys(rootSecret),
      clock,
      keyMode: config.production ? 'live' : 'test',
    }),
    async close() {
      await db.destroy();
      await database.close();
      await kms.close();
    },
  };
}
