/** Definitions of upstream servers: an organization's own, or the platform's, which every organization may enable. */
import type { Selectable } from 'kysely';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, asServerId, type OrgId, type ServerId } from '#core/ids.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { ServersTable } from '#db/schema.ts';
import type { OrganizationScope, PlatformScope } from '#db/scope.ts';
import { parseRoles, parseTransport } from './columns.ts';
import { switched, type ToolSwitch } from './enablements.ts';
import { parseServerAuth, type ServerAuth } from './server-auth.ts';

export interface Server {
  readonly id: ServerId;
  /** Undefined: the platform's. */
  readonly org: OrgId | undefined;
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly auth: ServerAuth | undefined;
  readonly trusted: boolean;
  readonly active: boolean;
  readonly totalTimeoutMs: number | undefined;
  /** Tools that are switched off for everybody. */
  readonly blockedTools: readonly string[];
  /** Which of several credentials of a group is meant for it. */
  readonly keyName: string;
  readonly managedBy: string;
  /** Counts up with every order to stop, start or restart. */
  readonly generation: number;
  /** Where it answers on a port of its own. */
  readonly port: number | undefined;
  readonly createdAt: Date;
}

export interface NewServer {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly auth?: ServerAuth | undefined;
  readonly trusted?: boolean;
  readonly active?: boolean;
  readonly totalTimeoutMs?: number | undefined;
  readonly blockedTools?: readonly string[] | undefined;
  readonly keyName?: string | undefined;
  readonly managedBy?: string;
  readonly port?: number | undefined;
}

type Scope = OrganizationScope | PlatformScope;

/** The organization's own in its scope, the platform's in the platform's. Throws `conflict` when the key is taken. */
export async function insertServer(scope: Scope, input: NewServer): Promise<Server> {
  const row = await scope.tx
    .insertInto('servers')
    .values({
      org_id: ownerOf(scope),
      key: input.key,
      ...asColumns(input),
      title: input.title,
      transport: JSON.stringify(input.transport),
    })
    .returningAll()
    .executeTakeFirstOrThrow();
  return asServer(row);
}

/** By key: the organization's own before the platform's of the same key. */
export async function findServer(scope: Scope, key: string): Promise<Server | undefined> {
  const row = await scope.tx
    .selectFrom('servers')
    .selectAll()
    .where('key', '=', key)
    .$if(scope.kind === 'platform', (query) => query.where('org_id', 'is', null))
    .orderBy('org_id', (order) => order.asc().nullsLast())
    .limit(1)
    .executeTakeFirst();
  return row && asServer(row);
}

/** What the scope may see, by key: an organization sees its own and the platform's, the platform only its own. */
export async function listServers(scope: Scope): Promise<readonly Server[]> {
  const rows = await scope.tx
    .selectFrom('servers')
    .selectAll()
    .$if(scope.kind === 'platform', (query) => query.where('org_id', 'is', null))
    .orderBy('key')
    .execute();
  return rows.map(asServer);
}

/** Only what the scope owns: a platform server is not found for an organization. Throws `not_found`, `conflict`. */
export async function updateServer(scope: Scope, id: ServerId, change: Partial<NewServer>): Promise<Server> {
  const row = await scope.tx
    .updateTable('servers')
    .set({ ...(change.key === undefined ? {} : { key: change.key }), ...asColumns(change), updated_at: new Date() })
    .where('id', '=', id)
    .where('org_id', 'is not distinct from', ownerOf(scope))
    .returningAll()
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asServer(row);
}

/** Of what the scope owns, for everybody who has it. Throws `not_found`. */
export async function blockServerTools(scope: Scope, id: ServerId, { tools, blocked }: ToolSwitch): Promise<void> {
  const { numUpdatedRows } = await scope.tx
    .updateTable('servers')
    .set({ blocked_tools: switched(tools, blocked), updated_at: new Date() })
    .where('id', '=', id)
    .where('org_id', 'is not distinct from', ownerOf(scope))
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new GatehouseError('not_found');
}

/**
 * Orders what runs for it to end, on every replica; `active`: whether the next call may start it again. Throws `not_found`.
 */
export async function renewServer(
  { tx }: PlatformScope,
  id: ServerId,
  change: { readonly active?: boolean } = {},
): Promise<Server> {
  const row = await tx
    .updateTable('servers')
    .set((is) => ({ ...change, generation: is('generation', '+', 1), updated_at: new Date() }))
    .where('id', '=', id)
    .where('org_id', 'is', null)
    .returningAll()
    .executeTakeFirst();
  if (!row) throw new GatehouseError('not_found');
  return asServer(row);
}

/** Of the platform's servers: what whoever runs them goes by. */
export interface ServerOrder {
  readonly id: ServerId;
  readonly key: string;
  readonly active: boolean;
  readonly generation: number;
  readonly port: number | undefined;
}

export async function listServerOrders({ tx }: PlatformScope): Promise<readonly ServerOrder[]> {
  const rows = await tx
    .selectFrom('servers')
    .select(['id', 'key', 'active', 'generation', 'port'])
    .where('org_id', 'is', null)
    .execute();
  return rows.map(({ id, port, ...row }) => ({ ...row, id: asServerId(id), port: port ?? undefined }));
}

/** With its enablements and bindings. Throws `not_found`. */
export async function removeServer(scope: Scope, id: ServerId): Promise<void> {
  const { numDeletedRows } = await scope.tx
    .deleteFrom('servers')
    .where('id', '=', id)
    .where('org_id', 'is not distinct from', ownerOf(scope))
    .executeTakeFirst();
  if (numDeletedRows === 0n) throw new GatehouseError('not_found');
}

function ownerOf(scope: Scope): OrgId | null {
  return scope.kind === 'organization' ? scope.org : null;
}

function asColumns(input: Partial<NewServer>) {
  return {
    ...(input.title === undefined ? {} : { title: input.title }),
    ...(input.transport === undefined ? {} : { transport: JSON.stringify(input.transport) }),
    ...('auth' in input ? { auth: input.auth ? JSON.stringify(input.auth) : null } : {}),
    ...(input.trusted === undefined ? {} : { trusted: input.trusted }),
    ...(input.active === undefined ? {} : { active: input.active }),
    ...(input.blockedTools === undefined ? {} : { blocked_tools: JSON.stringify(input.blockedTools) }),
    ...(input.keyName === undefined ? {} : { key_name: input.keyName }),
    ...('totalTimeoutMs' in input ? { total_timeout_ms: input.totalTimeoutMs ?? null } : {}),
    ...(input.managedBy === undefined ? {} : { managed_by: input.managedBy }),
    ...('port' in input ? { port: input.port ?? null } : {}),
  };
}

function asServer(row: Selectable<ServersTable>): Server {
  return {
    id: asServerId(row.id),
    org: row.org_id === null ? undefined : asOrgId(row.org_id),
    key: row.key,
    title: row.title,
    transport: parseTransport(row.transport),
    auth: parseServerAuth(row.auth),
    trusted: row.trusted,
    active: row.active,
    totalTimeoutMs: row.total_timeout_ms ?? undefined,
    blockedTools: parseRoles(row.blocked_tools),
    keyName: row.key_name,
    managedBy: row.managed_by,
    generation: row.generation,
    port: row.port ?? undefined,
    createdAt: row.created_at,
  };
}
