import { type Dialect, Kysely } from 'kysely';
import type { Db, GatewaySchema } from './schema.ts';

/** A Kysely over the schema `gateway`. Queries outside `withOrganization` and `withPlatform` see no organization's rows. */
export function openDb(dialect: Dialect): Db {
  return new Kysely<GatewaySchema>({ dialect }).withSchema('gateway');
}
