import { adapterRegistry } from '#core/adapter.ts';
import type { Database, DatabaseDeps } from './database.ts';
import { pglite } from './pglite/pglite.ts';
import { postgres } from './postgres/postgres.ts';

export const databaseAdapters = adapterRegistry<DatabaseDeps, Database>([postgres, pglite]);
