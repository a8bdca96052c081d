/** Storage, composed: the database with its schema, the vault over it, and what is kept in memory of them. */
import { join } from 'node:path';
import type { Database } from '#adapters/database/database.ts';
import { databaseAdapters } from '#adapters/database/index.ts';
import { kmsAdapters, openSeveral } from '#adapters/kms/index.ts';
import type { Kms, KmsDeps } from '#adapters/kms/kms.ts';
import type { AdminRecords } from '#admin/records.ts';
import { openAdminRecords } from '#admin/storage.ts';
import { openEncryptionKey } from '#config/demo-keys.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import { migrations } from '#db/migrate.ts';
import { openDb } from '#db/open.ts';
import type { Db } from '#db/schema.ts';
import { checkIsolation } from '#db/self-test.ts';
import { type ApiKeys, openApiKeys } from '#records/api-key.ts';
import { type DataKeyStore, openDataKeyStore } from '#records/data-keys.ts';
import { s0Opener } from '#records/s0-ciphertext.ts';
import { openVault, type Vault } from '#records/vault.ts';
import type { Closers } from './closers.ts';
import { openRootSealer, type RootSecrets, serverSecrets } from './root-keys.ts';
import { seedFolder } from './version.ts';

export interface Storage extends RootSecrets {
  readonly database: Database;
  readonly db: Db;
  readonly kms: Kms;
  readonly dataKeys: DataKeyStore;
  readonly vault: Vault;
  readonly apiKeys: ApiKeys;
  readonly records: AdminRecords;
  /** The same over another `Db`: a transaction of many scopes (`withOneTransaction`). */
  readonly recordsOf: (db: Db) => AdminRecords;
  readonly vaultOf: (db: Db) => Vault;
}

export interface StorageDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly closers: Closers;
  readonly onStatement?: (sql: string, durationMs: number) => void;
}

/** Throws GatehouseError `setting` or `storage_unavailable`. */
export async function openStorage(config: Config, deps: StorageDeps): Promise<Storage> {
  const { clock, log, closers } = deps;
  const database = await databaseAdapters.open(databaseSettings(config), { migrations, clock, log });
  closers.add('database', () => database.close());
  const db = openDb(database.dialect, deps.onStatement);
  closers.add('query builder', () => db.destroy());
  await checkIsolation(db);
  const rootSecret = await openEncryptionKey(config);
  const olderSecrets = config.secrets.previousKeys;
  const kms = await openKeyManagement(config, { rootSecret, clock, log });
  closers.add('key management', () => kms.close());
  const openLegacy = s0Opener(rootSecret.reveal(), ...olderSecrets.map((secret) => secret.reveal()));
  const dataKeys = openDataKeyStore(db);
  const vaultOf = (inner: Db) => openVault({ kms, store: openDataKeyStore(inner), clock, openLegacy });
  const vault = openVault({ kms, store: dataKeys, clock, openLegacy });
  const apiKeys = openApiKeys(rootSecret, olderSecrets);
  const keyMode = config.production ? 'live' : 'test';
  const sealer = serverSecretSealer({ rootSecret, olderSecrets });
  const common = { keys: apiKeys, clock, keyMode, sealer } as const;
  return {
    ...{ rootSecret, olderSecrets, kms, dataKeys },
    database,
    db,
    vault,
    apiKeys,
    records: openAdminRecords({ ...common, db, vault }),
    vaultOf,
    recordsOf: (inner) => openAdminRecords({ ...common, db: inner, vault: vaultOf(inner) }),
  };
}

/** The configured service wraps; the environment's root secrets and former services still unwrap. Asks nobody. */
async function openKeyManagement({ secrets }: Config, deps: KmsDeps): Promise<Kms> {
  const previous = secrets.previousKeys.map((secret) => secret.reveal());
  const inEnvironment = { kind: 'environment', previous };
  const settings = [
    ...(secrets.kms ? [secrets.kms.read()] : []),
    inEnvironment,
    ...secrets.previousKms.map((former) => former.read()),
  ];
  const [first, ...others] = await Promise.all(settings.map((one) => kmsAdapters.open(one, deps)));
  if (!first) throw new Error('there is always the environment');
  return others.length === 0 ? first : openSeveral(first, others);
}

/** For the registry: PostgreSQL by URL, else PGlite in the data directory. */
export function databaseSettings({ database, dataDir }: Pick<Config, 'database' | 'dataDir'>): {
  readonly kind: string;
} {
  const { url, poolSize, connectMs, queryMs } = database;
  if (!url) {
    const settings = { kind: 'pglite', directory: dataDir, seedFolder };
    return settings;
  }
  const settings = {
    kind: 'postgres',
    url: url.reveal(),
    poolSize,
    connectTimeoutMs: connectMs,
    queryTimeoutMs: queryMs,
    statementTimeoutMs: Math.max(1, Math.floor(queryMs * 0.75)),
  };
  return settings;
}

export const spoolFolder = (dataDir: string): string => join(dataDir, 'spool');

/** Of secrets in definitions of servers, and of what goes to and fro when somebody links an account. */
export const serverSecretSealer = (secrets: RootSecrets): Sealer => openRootSealer(secrets, serverSecrets);
