import { type Dialect, Kysely } from 'kysely';
import type { Db, GatewaySchema } from './schema.ts';

/**
 * A Kysely over the schema `gateway`. Queries outside `withOrganization` and `withPlatform` see no organization's rows.
 * `onStatement` hears every statement, BEGIN and COMMIT too: tests count them.
 */
export function openDb(dialect: Dialect, onStatement?: (sql: string) => void): Db {
  const log = onStatement ? { log: (event: { query: { sql: string } }) => onStatement(event.query.sql) } : {};
  return new Kysely<GatewaySchema>({ dialect, ...log }).withSchema('gateway');
}
