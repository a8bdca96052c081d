/** A server's place in a collection: partition, credential, enforced arguments. */
import type { Selectable } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import {
  asBindingId,
  asCredentialId,
  asServerId,
  type BindingId,
  type CollectionId,
  type CredentialId,
  type ServerId,
} from '#core/ids.ts';
import type { BindingsTable } from '#db/schema.ts';
import type { OrganizationScope } from '#db/scope.ts';
import type { EnforcedArguments } from '#mcp/enforce.ts';
import { parseEnforced } from './columns.ts';
import { parseToolsInput, type ToolsInput } from './tool-shaping.ts';

export interface BindingRecord {
  readonly id: BindingId;
  readonly server: ServerId;
  readonly partition: string | undefined;
  readonly credential: CredentialId | undefined;
  readonly enforced: ReadonlyMap<string, EnforcedArguments>;
  /** Undefined: the server's key. */
  readonly prefix: string | undefined;
  readonly tools: ToolsInput;
}

/** `{tool: {argument: object}}`, as it is written in configuration. */
export type EnforcedInput = Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;

export interface NewBinding {
  readonly server: ServerId;
  readonly partition?: string | undefined;
  readonly credential?: CredentialId | undefined;
  readonly enforced?: EnforcedInput;
  readonly position?: number;
  readonly prefix?: string | undefined;
  readonly tools?: ToolsInput | undefined;
}

/** Throws `not_found` for a collection, server or credential that is not the organization's; `conflict` when bound already. */
export async function insertBinding(
  { tx, org }: OrganizationScope,
  collection: CollectionId,
  input: NewBinding,
): Promise<BindingRecord> {
  const row = await tx
    .insertInto('bindings')
    .values({ org_id: org, collection_id: collection, server_id: input.server, ...asColumns(input) })
    .returningAll()
    .executeTakeFirstOrThrow();
  return asBinding(row);
}

/** In their order. */
export async function listBindings(
  { tx }: OrganizationScope,
  collection: CollectionId,
): Promise<readonly BindingRecord[]> {
  const rows = await tx
    .selectFrom('bindings')
    .selectAll()
    .where('collection_id', '=', collection)
    .orderBy('position')
    .orderBy('id')
    .execute();
  return rows.map(asBinding);
}

/** Throws `not_found`. */
export async function updateBinding(
  { tx }: OrganizationScope,
  id: BindingId,
  change: Partial<NewBinding>,
): Promise<BindingRecord> {
  const row = await tx
    .updateTable('bindings')
    .set({
      ...(change.server === undefined ? {} : { server_id: change.server }),
      ...asColumns(change),
      updated_at: new Date(),
    })
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asBinding(row);
}

/** Throws `not_found`. Its credential stays. */
export async function removeBinding({ tx }: OrganizationScope, id: BindingId): Promise<void> {
  const { numDeletedRows } = await tx.deleteFrom('bindings').where('id', '=', id).executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
}

function asColumns(input: Partial<NewBinding>) {
  return {
    ...('partition' in input ? { partition: input.partition ?? null } : {}),
    ...('credential' in input ? { credential_id: input.credential ?? null } : {}),
    ...(input.enforced === undefined ? {} : { enforced: JSON.stringify(input.enforced) }),
    ...('prefix' in input ? { prefix: input.prefix ?? null } : {}),
    ...(input.tools === undefined ? {} : { tools: JSON.stringify(input.tools) }),
    ...(input.position === undefined ? {} : { position: input.position }),
  };
}

function asBinding(row: Selectable<BindingsTable>): BindingRecord {
  return {
    id: asBindingId(row.id),
    server: asServerId(row.server_id),
    partition: row.partition ?? undefined,
    credential: row.credential_id === null ? undefined : asCredentialId(row.credential_id),
    enforced: parseEnforced(row.enforced),
    prefix: row.prefix ?? undefined,
    tools: parseToolsInput(row.tools),
  };
}
