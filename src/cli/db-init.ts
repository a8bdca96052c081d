/** `db init` (REQUIREMENTS.md S0.30): makes the schema or brings it up to date; a second time changes nothing. */
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import type { Io } from './io.ts';
import { printJson } from './output.ts';

export async function initDatabase(io: Io, options: { readonly json?: boolean }): Promise<void> {
  const config = loadConfig({ ...io, purpose: 'database' });
  if (config.database.url === undefined) {
    throw new GatehouseError('setting', { message: 'DATABASE_URL environment variable is required' });
  }
  const { initDatabase: init } = await import('#app/init-database.ts');
  await init(config);
  if (options.json) printJson(io, { initialized: true });
  else io.err('The database schema is up to date.\n');
}
