import { type Dialect, Kysely, type LogEvent } from 'kysely';
import type { Db, GatewaySchema } from './schema.ts';

/**
 * A Kysely over the schema `gateway`. Queries outside `withOrganization` and `withPlatform` see no organization's rows.
 * `onStatement` hears every statement, BEGIN and COMMIT too: tests count them.
 */
export function openDb(dialect: Dialect, onStatement?: (sql: string, durationMs: number) => void): Db {
  const log = onStatement
    ? { log: ({ query, queryDurationMillis }: LogEvent) => onStatement(query.sql, queryDurationMillis) }
    : {};
  return new Kysely<GatewaySchema>({ dialect, ...log }).withSchema('gateway');
}
