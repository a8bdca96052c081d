/** Sealed variables of the platform's servers: what their programs get in their environment. Nobody reads them back but who runs them. */
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type ServerId, uuidv7 } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import { Secret } from '#core/secret.ts';
import type { Db } from '#db/schema.ts';
import { type PlatformScope, withPlatform } from '#db/scope.ts';
import { variablePlace } from './sealed-columns.ts';

export interface VariableSummary {
  readonly name: string;
  readonly updatedAt: Date;
}

export async function listVariables({ tx }: PlatformScope, server: ServerId): Promise<readonly VariableSummary[]> {
  const rows = await tx
    .selectFrom('server_variables')
    .select(['name', 'updated_at'])
    .where('server_id', '=', server)
    .orderBy('name')
    .execute();
  return rows.map((row) => ({ name: row.name, updatedAt: row.updated_at }));
}

/** Inserts or replaces those that are named; the others stay. Whoever calls it bumps the generation. */
export async function putVariables(
  { tx }: PlatformScope,
  server: ServerId,
  given: { readonly values: Readonly<Record<string, Secret>>; readonly sealer: Sealer; readonly clock: Clock },
): Promise<void> {
  for (const [name, value] of Object.entries(given.values)) {
    // The id is part of what the seal is bound to: another value is another row.
    const id = uuidv7(given.clock.now());
    const sealed = given.sealer.seal(variablePlace(id), value.reveal());
    await tx.deleteFrom('server_variables').where('server_id', '=', server).where('name', '=', name).execute();
    await tx.insertInto('server_variables').values({ id, server_id: server, name, sealed }).execute();
  }
}

/** Throws `not_found`. */
export async function removeVariable({ tx }: PlatformScope, server: ServerId, name: string): Promise<void> {
  const { numDeletedRows } = await tx
    .deleteFrom('server_variables')
    .where('server_id', '=', server)
    .where('name', '=', name)
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found', { message: `There is no variable ${name}` });
}

/**
 * For the runner, each time that a program starts. Throws GatehouseError `credential_unavailable` where one was sealed by a
 * root secret that nobody has any more: a program without its secret is not what was asked for.
 */
export function openVariables(db: Db, sealer: Sealer): (server: ServerId) => Promise<Readonly<Record<string, Secret>>> {
  return async (server) => {
    const rows = await withPlatform(db, ({ tx }) =>
      tx.selectFrom('server_variables').select(['id', 'name', 'sealed']).where('server_id', '=', server).execute(),
    );
    return Object.fromEntries(
      rows.map(({ id, name, sealed }) => {
        const plain = sealer.open(variablePlace(id), sealed);
        if (plain === undefined)
          throw new GatehouseError('credential_unavailable', {
            cause: new Error(`the variable ${name} does not open`),
          });
        return [name, new Secret(plain)];
      }),
    );
  };
}
