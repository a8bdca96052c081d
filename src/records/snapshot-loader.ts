/** Reads organizations into snapshots: the same few statements for one or for a hundred of them, as of one moment. */
import { type Selectable, sql } from 'kysely';
import { asBindingId, asCredentialId, asOrgId, asServerId, type OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import { isReservedHeader } from '#core/reserved.ts';
import type { Db, ServersTable, Tx } from '#db/schema.ts';
import { withPlatformSnapshot } from '#db/scope.ts';
import { type AccessRows, accessOf, grantsOf, readAccess } from './access-loader.ts';
import { parseAllowedRoles, parseEnforced, parseListing, parseRoles, parseTransport } from './columns.ts';
import { asContentFilter, type ContentFilterRecord, readContentFilters } from './content-filters.ts';
import { parseServerAuth } from './server-auth.ts';
import {
  type Binding,
  type Endpoint,
  type Listing,
  type OperatorKey,
  type OrganizationSnapshot,
  plainListing,
  type ServerDefinition,
} from './snapshot.ts';
import { parseToolShaping } from './tool-shaping.ts';

export interface SnapshotLoader {
  /** By slug, external id or UUID; undefined: no such organization, or it was removed. */
  loadNamed(name: string): Promise<OrganizationSnapshot | undefined>;
  /** Those of them that still exist. */
  loadAll(ids: readonly OrgId[]): Promise<readonly OrganizationSnapshot[]>;
}

/** `listing`: of endpoints that don't say how they list. */
export function openSnapshotLoader(
  db: Db,
  log: Log,
  { listing = plainListing, operatorKeys = new Map() }: Partial<Pick<House, 'listing' | 'operatorKeys'>> = {},
): SnapshotLoader {
  const house = { log, listing, operatorKeys };
  return {
    loadNamed: async (name) => {
      const found = await withPlatformSnapshot(db, async ({ tx }) => build(await readNamed(tx, name), tx, house));
      return found[0];
    },
    loadAll: (ids) =>
      ids.length === 0
        ? Promise.resolve([])
        : withPlatformSnapshot(db, async ({ tx }) => build(await readOrganizations(tx, ids), tx, house)),
  };
}

interface OrganizationRow {
  readonly id: string;
  readonly slug: string;
  readonly external_id: string | null;
  readonly name: string;
  readonly audit_content: 'none' | 'digest' | 'redacted';
  readonly version: string | number | null;
  readonly blocked: readonly string[];
}

type BindingRow = Awaited<ReturnType<typeof readBindings>>[number];
type ServerRow = Selectable<ServersTable>;
type EnablementRow = Awaited<ReturnType<typeof readEnablements>>[number];
type CollectionRow = Awaited<ReturnType<typeof readCollections>>[number];

const selectOrganizations = (tx: Tx) =>
  tx
    .selectFrom('organizations')
    .select(['id', 'slug', 'external_id', 'name', 'audit_content'])
    .select((is) => is.selectFrom('change_counter').select('value').as('version'))
    .select(
      sql<string[]>`array(select b.client_id from gateway.blocked_clients b where b.org_id = organizations.id)`.as(
        'blocked',
      ),
    )
    .where('deleted_at', 'is', null);

/** An id goes before a slug, a slug before an external id: another organization's external id cannot shadow a slug. */
function readNamed(tx: Tx, name: string): Promise<OrganizationRow[]> {
  const id = name.toLowerCase();
  const isUuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id);
  return selectOrganizations(tx)
    .where((is) => is.or([is('slug', '=', name), is('external_id', '=', name), ...(isUuid ? [is('id', '=', id)] : [])]))
    .orderBy(sql`id::text = ${id}`, 'desc')
    .orderBy(sql`slug = ${name}`, 'desc')
    .limit(1)
    .execute();
}

function readOrganizations(tx: Tx, ids: readonly OrgId[]): Promise<OrganizationRow[]> {
  return selectOrganizations(tx).where('id', 'in', ids).execute();
}

function readCollections(tx: Tx, ids: readonly string[]) {
  return tx
    .selectFrom('collections')
    .select(['id', 'org_id', 'name', 'allowed_roles', 'names', 'mode', 'token_budget'])
    .where('org_id', 'in', ids)
    .execute();
}

function readBindings(tx: Tx, ids: readonly string[]) {
  return tx
    .selectFrom('bindings as b')
    .leftJoin('credentials as k', (join) =>
      join.onRef('k.id', '=', 'b.credential_id').onRef('k.org_id', '=', 'b.org_id'),
    )
    .select(['b.id', 'b.org_id', 'b.collection_id', 'b.server_id', 'b.partition', 'b.credential_id', 'b.enforced'])
    .select(['b.prefix', 'b.tools', 'k.version', 'k.header_name', 'k.header_template'])
    .where('b.org_id', 'in', ids)
    .orderBy('b.position')
    .orderBy('b.id')
    .execute();
}

function readServers(tx: Tx, ids: readonly string[]): Promise<ServerRow[]> {
  return tx
    .selectFrom('servers')
    .selectAll()
    .where((is) => is.or([is('org_id', 'in', ids), is('org_id', 'is', null)]))
    .orderBy('key')
    .execute();
}

function readEnablements(tx: Tx, ids: readonly string[]) {
  return tx
    .selectFrom('enablements')
    .select(['org_id', 'server_id', 'enabled', 'all_members', 'allowed_roles', 'blocked_tools'])
    .where('org_id', 'in', ids)
    .execute();
}

interface House {
  readonly log: Log;
  readonly listing: Listing;
  readonly operatorKeys: ReadonlyMap<string, OperatorKey>;
}

async function build(organizations: readonly OrganizationRow[], tx: Tx, house: House): Promise<OrganizationSnapshot[]> {
  const ids = organizations.map((row) => row.id);
  if (ids.length === 0) return [];
  // One after the other: they share one connection.
  const collections = byOrganization(await readCollections(tx, ids));
  const bindings = byOrganization(await readBindings(tx, ids));
  const servers = byOrganization(await readServers(tx, ids));
  const enablements = byOrganization(await readEnablements(tx, ids));
  const access = await readAccess(tx, ids);
  const filters = byOrganization(await readContentFilters(tx, ids));
  return organizations.map((row) => ({
    id: asOrgId(row.id),
    slug: row.slug,
    externalId: row.external_id ?? undefined,
    auditContent: row.audit_content,
    name: row.name,
    ...(row.blocked.length > 0 && { blockedClients: new Set(row.blocked) }),
    version: Number(row.version ?? 0),
    listing: house.listing,
    ...accessOf(access, row.id, {
      keyNames: new Map(
        (servers.get(row.id) ?? []).concat(servers.get(null) ?? []).map((one) => [one.id, one.key_name]),
      ),
      ...house,
    }),
    endpoints: buildEndpoints({
      org: asOrgId(row.id),
      filters: (filters.get(row.id) ?? []).map(asContentFilter),
      access,
      collections: collections.get(row.id) ?? [],
      bindings: Map.groupBy(bindings.get(row.id) ?? [], (binding) => binding.collection_id),
      servers: [...(servers.get(null) ?? []), ...(servers.get(row.id) ?? [])],
      enablements: new Map(enablements.get(row.id)?.map((each) => [each.server_id, each])),
      ...house,
    }),
  }));
}

const byOrganization = <R extends { readonly org_id: string | null }>(rows: readonly R[]) =>
  Map.groupBy(rows, (row) => row.org_id);

interface Parts extends House {
  readonly org: OrgId;
  readonly filters: readonly ContentFilterRecord[];
  readonly collections: readonly CollectionRow[];
  readonly bindings: ReadonlyMap<string, readonly BindingRow[]>;
  readonly servers: readonly ServerRow[];
  readonly enablements: ReadonlyMap<string, EnablementRow>;
  readonly access: AccessRows;
}

/** Later ones hide earlier ones of the same name: the platform's servers, then the organization's, then collections. */
function buildEndpoints(parts: Parts): ReadonlyMap<string, Endpoint> {
  const endpoints = new Map<string, Endpoint>();
  const definitions = new Map<string, ServerDefinition>();
  for (const row of parts.servers) {
    orLeaveOut(parts.log, { server: row.id }, () => {
      const enablement = parts.enablements.get(row.id);
      const server = asDefinition(row, { enablement, ...parts });
      definitions.set(row.id, server);
      endpoints.set(server.key, asServerEndpoint(server, { enablement, ...parts }));
    });
  }
  for (const row of parts.collections) {
    // A collection that cannot be read must not uncover a server of its name.
    endpoints.delete(row.name);
    orLeaveOut(parts.log, { collection: row.id }, () => {
      const rows = parts.bindings.get(row.id) ?? [];
      const bindings = rows.flatMap((binding) => {
        const server = definitions.get(binding.server_id);
        return asBinding(binding, server, filtersOf(parts, binding.server_id, row.id)) ?? [];
      });
      endpoints.set(row.name, {
        id: row.id,
        name: row.name,
        kind: 'collection',
        allowedRoles: parseAllowedRoles(row.allowed_roles),
        bindings,
        grants: grantsOf(parts.access, row.org_id, row.id),
        listing: parseListing(row),
      });
    });
  }
  return endpoints;
}

/** A row that cannot be read gives no access, and takes none from the others. */
function orLeaveOut(log: Log, fields: object, work: () => void): void {
  try {
    work();
  } catch (error) {
    log.error({ ...fields, err: error }, 'a row of the configuration cannot be read: it gives no access');
  }
}

function asDefinition(
  row: ServerRow,
  {
    enablement,
    org,
    operatorKeys,
  }: Pick<Parts, 'org' | 'operatorKeys'> & { readonly enablement: EnablementRow | undefined },
): ServerDefinition {
  const own = row.org_id === null ? operatorKeys.get(row.key) : undefined;
  return {
    id: asServerId(row.id),
    key: row.key,
    title: row.title,
    org: row.org_id === null ? undefined : asOrgId(row.org_id),
    transport: parseTransport(row.transport),
    auth: parseServerAuth(row.auth),
    trusted: row.trusted,
    enabled: row.active && enablement?.enabled === true,
    blockedTools: new Set([...parseRoles(row.blocked_tools), ...parseRoles(enablement?.blocked_tools ?? [])]),
    totalTimeoutMs: row.total_timeout_ms ?? undefined,
    generation: row.generation,
    credential: own && { ...own, org, version: 0 },
  };
}

/** Where the server is not enabled, that is what refuses (ruling 3), not a role: hence `'*'`. */
function asServerEndpoint(
  server: ServerDefinition,
  {
    enablement,
    listing,
    access,
    filters,
  }: Pick<Parts, 'listing' | 'access' | 'filters'> & { readonly enablement: EnablementRow | undefined },
): Endpoint {
  const anyone = !server.enabled || enablement?.all_members === true;
  return {
    id: server.id,
    name: server.key,
    kind: 'server',
    allowedRoles: anyone ? '*' : parseRoles(enablement?.allowed_roles ?? []),
    listing,
    grants: enablement ? grantsOf(access, enablement.org_id, server.id) : new Map(),
    bindings: [
      // Its own id as the binding's: there is one such binding per organization and server.
      {
        id: asBindingId(server.id),
        server,
        partition: undefined,
        credential: server.credential,
        enforced: new Map(),
        prefix: undefined,
        shaping: undefined,
        filters: filtersOf({ filters }, server.id),
      },
    ],
  };
}

/** Of the organization, the server and the collection alike. undefined: none. */
function filtersOf({ filters }: Pick<Parts, 'filters'>, server: string, collection?: string) {
  const own = filters.filter((one) =>
    one.server !== undefined ? one.server === server : one.collection === undefined || one.collection === collection,
  );
  return own.length === 0 ? undefined : own;
}

function asBinding(
  row: BindingRow,
  server: ServerDefinition | undefined,
  filters: Binding['filters'],
): Binding | undefined {
  if (!server) return undefined;
  return {
    id: asBindingId(row.id),
    server,
    partition: row.partition ?? undefined,
    credential: asCredentialRef(row) ?? server.credential,
    enforced: parseEnforced(row.enforced),
    prefix: row.prefix ?? undefined,
    shaping: parseToolShaping(row.tools),
    filters,
  };
}

export function asCredentialRef({ credential_id, version, org_id, header_name, header_template }: BindingRow) {
  if (credential_id === null) return undefined;
  if (version === null || header_name === null || header_template === null)
    throw new Error('its credential is missing');
  if (isReservedHeader(header_name)) throw new Error(`a credential cannot go out as ${header_name}`);
  return {
    id: asCredentialId(credential_id),
    org: asOrgId(org_id),
    version,
    header: { name: header_name, template: header_template },
  };
}
