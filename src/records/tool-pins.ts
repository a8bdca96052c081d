/** Which definition of a tool an organization has approved, and the one that waits for a person. */
import { type Selectable, sql } from 'kysely';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { asServerId, type ServerId } from '#core/ids.ts';
import type { ToolPinsTable, Tx } from '#db/schema.ts';
import type { OrganizationScope } from '#db/scope.ts';
import type { HiddenCharacter } from '#mcp/shape/hidden-characters.ts';

export interface PinPlace {
  readonly server: ServerId;
  /** Of the binding; `''`: none. */
  readonly partition: string;
  /** The server's own name of it. */
  readonly tool: string;
}

export interface PinnedDefinition {
  readonly hash: string;
  /** JSON of the whole tool, as the server sent it. */
  readonly text: string;
  /** Unix milliseconds. */
  readonly at: number;
}

export interface ToolPin extends PinPlace {
  readonly approved: PinnedDefinition | undefined;
  readonly held: PinnedDefinition | undefined;
  /** Hash of what a person refused. */
  readonly rejectedHash: string | undefined;
  /** Hidden characters in what is held, else in what is approved. */
  readonly flags: readonly HiddenCharacter[];
}

/** `approved` never replaces what is known of a tool already: that is a person's decision. */
export interface PinSighting extends PinPlace {
  readonly as: 'approved' | 'held';
  readonly hash: string;
  readonly text: string;
  readonly flags: readonly HiddenCharacter[];
  /** Unix milliseconds. */
  readonly at: number;
}

export interface PinDecision extends PinPlace {
  /** Of what the person saw. */
  readonly hash: string;
}

/** By server, partition and tool. */
export async function listToolPins({ tx }: OrganizationScope): Promise<readonly ToolPin[]> {
  const rows = await tx
    .selectFrom('tool_pins')
    .selectAll()
    .orderBy('server_id')
    .orderBy('partition')
    .orderBy('tool')
    .execute();
  return rows.map(asPin);
}

/** Throws `not_found` for a server that is neither the organization's nor the platform's. */
export async function recordSighting({ tx, org }: OrganizationScope, sighting: PinSighting): Promise<void> {
  const { server, partition, tool, as, hash, text, flags } = sighting;
  const at = new Date(sighting.at);
  const columns =
    as === 'approved'
      ? { approved_hash: hash, approved: text, approved_at: at }
      : { held_hash: hash, held: text, held_at: at };
  const values = { ...columns, flags: JSON.stringify(flags) };
  await tx
    .insertInto('tool_pins')
    .values({ org_id: org, server_id: server, partition, tool, ...values })
    .onConflict((conflict) => {
      const same = conflict.columns(['org_id', 'server_id', 'partition', 'tool']);
      if (as === 'approved') return same.doNothing();
      return same
        .doUpdateSet(values)
        .where('tool_pins.held_hash', 'is distinct from', hash)
        .where('tool_pins.rejected_hash', 'is distinct from', hash)
        .where('tool_pins.approved_hash', 'is distinct from', hash);
    })
    .execute();
}

/** What is held becomes what is approved. Throws `not_found`; `conflict` where something else is held by now. */
export async function approveToolPin({ tx }: OrganizationScope, decision: PinDecision, now: number): Promise<ToolPin> {
  const row = await heldRow(tx, decision)
    .set({ approved_hash: sql`held_hash`, approved: sql`held`, approved_at: new Date(now) })
    .set({ held_hash: null, held: null, held_at: null, rejected_hash: null })
    .returningAll()
    .executeTakeFirst();
  return row ? asPin(row) : refuse(tx, decision);
}

/** What is held is forgotten and not held again. Throws as `approveToolPin`. */
export async function rejectToolPin({ tx }: OrganizationScope, decision: PinDecision): Promise<ToolPin> {
  const row = await heldRow(tx, decision)
    .set({ held_hash: null, held: null, held_at: null, rejected_hash: decision.hash })
    .returningAll()
    .executeTakeFirst();
  return row ? asPin(row) : refuse(tx, decision);
}

function heldRow(tx: Tx, { server, partition, tool, hash }: PinDecision) {
  return tx
    .updateTable('tool_pins')
    .where('server_id', '=', server)
    .where('partition', '=', partition)
    .where('tool', '=', tool)
    .where('held_hash', '=', hash);
}

async function refuse(tx: Tx, { server, partition, tool }: PinPlace): Promise<never> {
  const found = await tx
    .selectFrom('tool_pins')
    .select('tool')
    .where('server_id', '=', server)
    .where('partition', '=', partition)
    .where('tool', '=', tool)
    .executeTakeFirst();
  if (!found) throw new GatehouseError('not_found', { message: 'No definition of this tool was seen yet' });
  throw new GatehouseError('conflict', {
    message: 'Another definition waits by now, or none: list the pins again before you decide',
  });
}

const flags = z.array(
  z.object({
    path: z.string(),
    character: z.string(),
    kind: z.enum(['bidirectional', 'tag', 'variation-selector', 'control', 'invisible']),
  }),
);

function asPin(row: Selectable<ToolPinsTable>): ToolPin {
  return {
    server: asServerId(row.server_id),
    partition: row.partition,
    tool: row.tool,
    approved: asDefinition(row.approved_hash, row.approved, row.approved_at),
    held: asDefinition(row.held_hash, row.held, row.held_at),
    rejectedHash: row.rejected_hash ?? undefined,
    flags: flags.parse(row.flags),
  };
}

function asDefinition(hash: string | null, text: string | null, at: Date | null): PinnedDefinition | undefined {
  return hash === null || text === null ? undefined : { hash, text, at: at?.getTime() ?? 0 };
}
