/** The collections of the older system: every one is a partition of the one server `ragie` (REQUIREMENTS.md S0.7, S0.17). */
import type { Secret } from '#core/secret.ts';
import type { HttpTransport } from '#core/transport.ts';
import type { EnforcedInput } from '#records/bindings.ts';
import type { Wanted } from './apply.ts';
import { canonical } from './canonical.ts';
import type { AdminRecords, ServerRow } from './records.ts';

export const ragieServer = 'ragie';

/** The trailing slash is the upstream's own. */
export function ragieTransport(baseUrl: string): HttpTransport {
  return { kind: 'http', url: `${baseUrl.replace(/\/+$/, '')}/mcp/{partition}/` };
}

/**
 * The server `ragie` where RAGIE_BASE_URL says it is; undefined where there is none and none is needed. One that
 * gatehouse.yaml defines is left to it.
 */
export async function ensureRagieServer(
  records: AdminRecords,
  baseUrl: string,
  isNeeded: boolean,
): Promise<ServerRow | undefined> {
  const found = (await records.listServers()).find((row) => row.key === ragieServer);
  const transport = ragieTransport(baseUrl);
  const values = { key: ragieServer, title: 'Ragie', transport, trusted: false, managedBy: 'api' } as const;
  if (!found) return isNeeded ? records.insertServer(values) : undefined;
  if (found.managedBy === 'api' && canonical(found.transport) !== canonical(transport)) {
    await records.updateServer(found.id, { ...values, title: found.title, trusted: found.trusted });
  }
  return found;
}

/** `org_123` is an identity provider's id: the slug is made of it, and both name the organization. */
export function organizationOf(ref: string): { readonly slug: string; readonly externalId: string | undefined } {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(ref)) return { slug: ref, externalId: undefined };
  const slug = ref
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+/, '')
    .slice(0, 63);
  return { slug, externalId: ref };
}

/** Filters of a collection are enforced on `retrieve`, in its argument `filter` (S0.8). */
export function enforcedFilters(filters: Readonly<Record<string, unknown>> | undefined): EnforcedInput {
  return filters === undefined ? {} : { retrieve: { filter: filters } };
}

interface MappedCollection {
  readonly partition: string;
  readonly apiKey: Secret;
  readonly allowedRoles: readonly string[] | '*';
}

export type MappedOrganizations = Readonly<Record<string, Readonly<Record<string, MappedCollection>>>>;

/** MAPPING_FILE as configuration (S0.24). Its server is `ensureRagieServer`'s, for all collections of this kind share it. */
export function mappingWanted(mapping: MappedOrganizations): Wanted {
  const organizations = Object.keys(mapping).map((ref) => ({ ...organizationOf(ref), name: ref }));
  const collections = Object.entries(mapping).flatMap(([organization, named]) =>
    Object.entries(named).map(([name, { partition, apiKey, allowedRoles }]) => ({
      organization,
      name,
      allowedRoles,
      bindings: [{ server: ragieServer, partition, credential: apiKey }],
    })),
  );
  return { organizations, servers: [], collections, enablements: [] };
}
