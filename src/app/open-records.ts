/** Storage for a command that works without a running gateway: the database, the vault, the records; nothing in memory. */
import type { AdminRecords, SecretsAdmin } from '#admin/records.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { AuditReader } from '#records/audit/reader.ts';
import { type AdminAudit, adminAudit } from './admin-audit.ts';
import { openClosers } from './closers.ts';
import { openSecretsAdmin } from './secrets.ts';
import { signingKeyRotation } from './sign-in.ts';
import { openStorage, type Storage } from './storage.ts';
import { openDirectTrail } from './trail.ts';

export interface OpenRecords {
  readonly records: AdminRecords;
  readonly storage: Storage;
  readonly secrets: SecretsAdmin;
  readonly rotateSigningKeys: ReturnType<typeof signingKeyRotation>;
  /** Who changes the database from the command line is in the trail too. */
  readonly audit: AdminAudit & { readonly reader: AuditReader };
  close(): Promise<void>;
}

/** Throws GatehouseError `setting` or `storage_unavailable`; what was opened until then is closed again. */
export async function openRecords(config: Config, log: Log): Promise<OpenRecords> {
  const closers = openClosers();
  try {
    const storage = await openStorage(config, { clock: systemClock, log, closers });
    const rotateSigningKeys = signingKeyRotation(config, { storage, clock: systemClock });
    const direct = openDirectTrail(storage, log);
    closers.add('audit chain', direct.close);
    const audit = { ...adminAudit({ storage, log }, direct.trail), reader: direct.reader };
    const secrets = openSecretsAdmin(storage, systemClock);
    return { records: storage.records, storage, secrets, rotateSigningKeys, audit, close: () => closers.closeAll(log) };
  } catch (error) {
    await closers.closeAll(log);
    throw error;
  }
}
