/** Where policies can be attached, and what is known of the tools there. */
import type { KnownServers } from '#adapters/policy/policy.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import type { PolicyTarget } from '#records/policies.ts';
import type { AdminRecords, CollectionRow, OrganizationRow, ServerRow } from './records.ts';

export interface Places {
  readonly servers: readonly ServerRow[];
  readonly collections: readonly CollectionRow[];
  /** By id of the server: definitions that were seen there. */
  readonly tools: ReadonlyMap<string, readonly JsonObject[]>;
}

export async function findPlaces(records: AdminRecords, { id: org }: OrganizationRow): Promise<Places> {
  const servers = (await records.listServers()).filter((row) => row.org === undefined || row.org === org);
  const collections = await records.listCollections(org);
  const tools = new Map<string, JsonObject[]>();
  for (const { server, approved } of await records.listPins(org)) {
    const definition = approved && parsed(approved.text);
    const known = tools.get(server) ?? [];
    tools.set(server, known);
    if (definition && !known.some(({ name }) => name === definition.name)) known.push(definition);
  }
  return { servers, collections, tools };
}

function parsed(text: string): JsonObject | undefined {
  try {
    return parseJsonObject(text);
  } catch {
    return undefined;
  }
}

interface NamedTarget {
  readonly server?: string | undefined;
  readonly collection?: string | undefined;
}

/** Throws `bad_request`, `not_found`. */
export function targetOf({ servers, collections }: Places, { server, collection }: NamedTarget): PolicyTarget {
  if (server !== undefined && collection !== undefined)
    throw new GatehouseError('bad_request', { message: 'Name either a server or a collection, not both' });
  const foundServer = servers.find(({ key }) => key === server);
  const foundCollection = collections.find(({ name }) => name === collection);
  if (server !== undefined && !foundServer)
    throw new GatehouseError('not_found', { message: `There is no server "${server}"` });
  if (collection !== undefined && !foundCollection)
    throw new GatehouseError('not_found', { message: `There is no collection "${collection}"` });
  return { server: foundServer?.id, collection: foundCollection?.id };
}

/** What policies for this target can be about. */
export function knownServers({ servers, collections, tools }: Places, target: PolicyTarget): KnownServers {
  const bound = collections.find(({ id }) => id === target.collection)?.bindings.map(({ server }) => server);
  const concerned = servers.filter(
    ({ id, key }) => (target.server === undefined || id === target.server) && (bound?.includes(key) ?? true),
  );
  return { servers: concerned.map(({ id, key }) => ({ key, tools: tools.get(id) })) };
}

export function namesOf({ servers, collections }: Places, { server, collection }: PolicyTarget) {
  return {
    server: servers.find(({ id }) => id === server)?.key ?? null,
    collection: collections.find(({ id }) => id === collection)?.name ?? null,
  };
}
