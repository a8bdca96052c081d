/**
 * The multi-tenant tool gateway for Open WebUI: schema `mcp_proxy` (REQUIREMENTS S3.12 to S3.16). A group's `tenant_id` is a
 * server in some of its tables and a group in others. Its keys were stored in the open, whatever their column is called.
 */
import { z } from 'zod';
import { slug } from '#admin/nouns.ts';
import { email, groupName } from '#admin/people-nouns.ts';
import { Secret } from '#core/secret.ts';
import {
  type Found,
  type FoundCredential,
  type FoundGroup,
  type FoundUsage,
  type LeftOut,
  nothingFound,
  quoted,
  taken,
} from './found.ts';
import { resolveServers, type ServerPlaces } from './resolve-servers.ts';
import { findTable, type Row, type SourceDatabase } from './source.ts';

export interface OpenWebuiTarget extends ServerPlaces {
  readonly organization: string;
}

const schema = 'mcp_proxy';
const address = z.string().trim().toLowerCase().pipe(email);
const membership = z.object({ user_email: address, group_name: groupName });
const mapping = z.object({ group_name: groupName, tenant_id: slug });
const access = z.object({ user_email: address, tenant_id: slug, access_level: z.string().nullish() });
const key = z.object({
  tenant_id: groupName,
  server_id: slug,
  key_name: z.string().max(128).nullish(),
  api_key_encrypted: z.string().min(1).max(16_384),
});
const endpoint = z.object({ tenant_id: groupName, server_id: slug, endpoint_url: z.string().min(1).max(2048) });

const named =
  (table: string, ...columns: readonly string[]) =>
  (row: Row): string =>
    `${schema}.${table} ${columns.map((column) => quoted(row[column] ?? '')).join(' ')}`;

/** `source` must stay open until the usage in it is read. */
export async function readOpenWebui(source: SourceDatabase, target: OpenWebuiTarget): Promise<Found> {
  const { organization } = target;
  const tables = await source.tables(schema);
  const leftOut: LeftOut[] = [];
  const read = async <T>(table: string, of: z.ZodType<T>, ...columns: readonly string[]) => {
    const found = findTable(tables, table);
    return found === undefined
      ? []
      : taken(await source.rows(schema, found), of, { name: named(table, ...columns), leftOut });
  };
  const members = await read('user_group_membership', membership, 'user_email', 'group_name');
  const mappings = await read('group_tenant_mapping', mapping, 'group_name', 'tenant_id');
  const direct = await read('user_tenant_access', access, 'user_email', 'tenant_id');
  const keys = await read('tenant_server_keys', key, 'tenant_id', 'server_id', 'key_name');
  const endpoints = await read('tenant_server_endpoints', endpoint, 'tenant_id', 'server_id');
  const wanted = [...mappings, ...direct].map(({ tenant_id: server }) => server);
  const others = [...keys, ...endpoints].map(({ server_id: server }) => server);
  const keyNames = new Map(keys.map(({ server_id: server, key_name: name }) => [server, name ?? '']));
  const { servers, known } = resolveServers([...wanted, ...others], { places: target, keyNames, leftOut });
  const isHere = (server: string) => known.has(server);
  const people = direct.filter((row) => isHere(row.tenant_id) && isAccess(row, leftOut));
  await leaveOut(source, tables, leftOut);
  return {
    ...nothingFound,
    organizations: [{ slug: organization, name: organization }],
    servers,
    // A mapping was all that it took: enabled for whoever is granted it.
    enablements: [...new Set(wanted)].filter(isHere).map((server) => ({ organization, server, allMembers: false })),
    groups: groupsOf({
      organization,
      members,
      mappings: mappings.filter((row) => isHere(row.tenant_id)),
      keys,
      endpoints,
    }),
    grants: people.map((row) => ({ organization, email: row.user_email, server: row.tenant_id })),
    credentials: await routesOf(
      {
        keys: keys.filter((row) => isHere(row.server_id)),
        endpoints: endpoints.filter((row) => isHere(row.server_id)),
      },
      { target, known, leftOut },
    ),
    usage: usageOf(source, tables, { organization, leftOut }),
    leftOut,
  };
}

const refusals = /^(?:none|no|deny|denied|blocked|revoked|disabled)$/i;

function isAccess(row: z.output<typeof access>, leftOut: LeftOut[]): boolean {
  if (!refusals.test(row.access_level ?? '')) return true;
  leftOut.push({
    what: `${schema}.user_tenant_access ${quoted(row.user_email)} ${quoted(row.tenant_id)}`,
    reason: `its level ${quoted(row.access_level)} is no access: without a grant there is none`,
  });
  return false;
}

interface Grouping {
  readonly organization: string;
  readonly members: readonly z.output<typeof membership>[];
  readonly mappings: readonly z.output<typeof mapping>[];
  readonly keys: readonly { readonly tenant_id: string }[];
  readonly endpoints: readonly { readonly tenant_id: string }[];
}

/** By name without case: the first spelling is the group's. */
function groupsOf({ organization, members, mappings, keys, endpoints }: Grouping): readonly FoundGroup[] {
  const groups = new Map<string, { name: string; members: Set<string>; servers: Set<string> }>();
  const of = (name: string) => {
    const found = groups.get(name.toLowerCase()) ?? { name, members: new Set<string>(), servers: new Set<string>() };
    groups.set(name.toLowerCase(), found);
    return found;
  };
  for (const row of mappings) of(row.group_name).servers.add(row.tenant_id);
  for (const row of members) of(row.group_name).members.add(row.user_email);
  for (const row of [...keys, ...endpoints]) of(row.tenant_id);
  return [...groups.values()].map((group) => ({
    ...{ organization, name: group.name },
    ...{ members: [...group.members].sort(), servers: [...group.servers].sort() },
  }));
}

interface Routing {
  readonly keys: readonly z.output<typeof key>[];
  readonly endpoints: readonly z.output<typeof endpoint>[];
}

interface RouteContext {
  readonly target: OpenWebuiTarget;
  readonly known: ReadonlyMap<string, string>;
  readonly leftOut: LeftOut[];
}

/** Key and address of a group for a server become one route: no other key goes to that address. */
async function routesOf(
  { keys, endpoints }: Routing,
  { target, known, leftOut }: RouteContext,
): Promise<FoundCredential[]> {
  const { organization } = target;
  const routes = new Map<string, FoundCredential>();
  const placeOf = (group: string, server: string, name: string) => JSON.stringify([group.toLowerCase(), server, name]);
  for (const row of keys) {
    const { tenant_id: group, server_id: server } = row;
    const own = known.get(server) ?? '';
    const isOnly = keys.filter((one) => one.tenant_id === group && one.server_id === server).length === 1;
    // Keys were found by their name: one of another name than the server's stays one that nothing asks for.
    const keyName = row.key_name && (own !== '' || !isOnly) ? row.key_name : own;
    if (keyName !== own)
      leftOut.push({
        what: `use of ${schema}.tenant_server_keys ${quoted(group)} ${quoted(server)} ${quoted(keyName)}`,
        reason:
          own === '' ? 'of several keys none is named by the server: set its keyName' : `the server asks for ${own}`,
      });
    const credential = new Secret(row.api_key_encrypted);
    routes.set(placeOf(group, server, keyName), { organization, server, group, keyName, credential, url: undefined });
  }
  for (const { tenant_id: group, server_id: server, endpoint_url: given } of endpoints) {
    const what = `${schema}.tenant_server_endpoints ${quoted(group)} ${quoted(server)}`;
    const url = await target.checkUrl(given).catch((thrown: unknown) => {
      leftOut.push({ what, reason: thrown instanceof Error ? thrown.message : 'the URL cannot be used' });
      return undefined;
    });
    if (url === undefined) continue;
    const keyName = known.get(server) ?? '';
    const place = placeOf(group, server, keyName);
    const found = routes.get(place);
    routes.set(place, { organization, server, group, keyName, credential: found?.credential, url });
    if (found?.credential === undefined)
      leftOut.push({
        what: `a key for ${what}`,
        reason: 'the group has none of its own, and the common one is not sent there',
      });
  }
  return [...routes.values()];
}

/** What is known of these tables, and is not kept. */
async function leaveOut(source: SourceDatabase, tables: ReadonlySet<string>, leftOut: LeftOut[]): Promise<void> {
  const reasons = {
    tool_embeddings: 'tools are searched by their words',
    user_admin_status: "Open WebUI's own role says who administers",
    tenant_endpoint_overrides:
      'nothing ever read it: enter the addresses that are meant with `gatehouse credential set`',
  } as const;
  for (const [name, reason] of Object.entries(reasons)) {
    const table = findTable(tables, name);
    const rows = table === undefined ? 0 : await source.count(schema, table);
    if (rows > 0) leftOut.push({ what: `${schema}.${name}, ${rows} rows`, reason });
  }
}

const analytics = z.object({
  timestamp: z.coerce.date().transform((value) => value.toISOString()),
  user_email: z.string().max(320).nullish(),
  method: z.string().max(32),
  endpoint: z.string().max(8192),
  status_code: z.int().min(100).max(999),
  response_time_ms: z.coerce.number().min(0).nullish(),
  user_agent: z.string().max(2048).nullish(),
  client_ip: z.string().max(128).nullish(),
});

function usageOf(
  source: SourceDatabase,
  tables: ReadonlySet<string>,
  { organization, leftOut }: { readonly organization: string; readonly leftOut: LeftOut[] },
): Found['usage'] {
  const table = findTable(tables, 'api_analytics');
  if (table === undefined) return undefined;
  async function* batches(): AsyncGenerator<readonly FoundUsage[]> {
    for await (const rows of source.pages(schema, table ?? '', 'id'))
      yield taken(rows, analytics, { name: named('api_analytics', 'id'), leftOut }).map((row) => ({
        ...{ timestamp: row.timestamp, email: row.user_email?.toLowerCase() ?? null, method: row.method },
        ...{ endpoint: row.endpoint, status: row.status_code, durationMs: row.response_time_ms ?? 0 },
        ...{ userAgent: row.user_agent ?? null, address: row.client_ip ?? '' },
      }));
  }
  return { organization, batches };
}
