import { databaseAdapters } from '#adapters/database/index.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { migrations } from '#db/migrate.ts';
import { databaseSettings } from './storage.ts';

/** Opening migrates; idempotent. */
export async function initDatabase(config: Config): Promise<void> {
  const deps = { migrations, clock: systemClock, log: silentLog };
  const database = await databaseAdapters.open(databaseSettings(config), deps);
  await database.close();
}
