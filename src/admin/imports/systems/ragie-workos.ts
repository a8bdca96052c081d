/**
 * The Ragie/WorkOS collection gateway: its table `collections` with sealed keys (REQUIREMENTS S0.25, S0.26), and the mapping
 * file of the generation before (S0.24). Every collection is a partition of the one server `ragie`.
 */
import { z } from 'zod';
import { collectionName, organizationRef, rolesOrAll, text } from '#admin/nouns.ts';
import { type MappedOrganizations, organizationOf, ragieServer, ragieTransport } from '#admin/ragie.ts';
import { Secret } from '#core/secret.ts';
import { type Found, type FoundCollection, type LeftOut, nothingFound, quoted, taken } from './found.ts';
import type { Row, SourceDatabase } from './source.ts';

export interface RagieTarget {
  readonly ragieBaseUrl: string;
  /** Opens a ciphertext of theirs. Throws for what no key that is known opens. */
  readonly openCiphertext: (ciphertext: string) => Promise<string>;
}

const collection = z.object({
  name: collectionName,
  organization_id: organizationRef,
  partition: text,
  ragie_api_key: z.string().min(1).max(65_536),
  allowed_roles: rolesOrAll,
  filters: z.record(z.string(), z.json()).nullish(),
  created_at: z.coerce.date().catch(new Date(0)),
});

const nameOf = (row: Row): string => `collection ${quoted(row.organization_id)} ${quoted(row.name)}`;

export async function readRagieDatabase(source: SourceDatabase, target: RagieTarget): Promise<Found> {
  const leftOut: LeftOut[] = [];
  const tables = [...(await source.tables('public'))].filter((name) =>
    /^collections(?:_absorbed(?:_\d+)?)?$/.test(name),
  );
  const rows: Row[] = [];
  for (const table of tables.sort()) rows.push(...(await source.rows('public', table)));
  for (const row of rows)
    if (typeof row.mcp_server_url === 'string' && row.mcp_server_url !== '')
      leftOut.push({
        what: `${nameOf(row)}: its mcp_server_url`,
        reason: 'the address is the one of the server ragie (RAGIE_BASE_URL) for all collections',
      });
  const good = [...taken(rows, collection, { name: nameOf, leftOut })].sort((a, b) => +a.created_at - +b.created_at);
  const collections = new Map<string, FoundCollection>();
  for (const row of good) {
    const place = JSON.stringify([row.organization_id, row.name]);
    if (collections.has(place)) {
      leftOut.push({ what: nameOf(row), reason: 'an older row of the same organization and name goes before it' });
      continue;
    }
    const credential = await openKey(row.ragie_api_key, target).catch(() => undefined);
    if (credential === undefined) {
      const reason = 'its key does not open: put the ENCRYPTION_KEY of the other gateway into ENCRYPTION_KEY_PREVIOUS';
      leftOut.push({ what: nameOf(row), reason });
      continue;
    }
    const { organization_id: organization, name, partition, allowed_roles: allowedRoles, filters } = row;
    collections.set(place, {
      ...{ organization, name, partition, allowedRoles, credential },
      ...{ server: ragieServer, filters: filters ?? undefined },
    });
  }
  return foundOf([...collections.values()], { target, leftOut });
}

/** Somebody may have typed a key into the table as it is. */
const openKey = async (stored: string, { openCiphertext }: RagieTarget): Promise<Secret> =>
  new Secret(stored.startsWith('tnt_') ? stored : await openCiphertext(stored));

export function readRagieMapping(mapping: MappedOrganizations, target: Pick<RagieTarget, 'ragieBaseUrl'>): Found {
  const collections = Object.entries(mapping).flatMap(([organization, named]) =>
    Object.entries(named).map(([name, { partition, apiKey, allowedRoles }]) => ({
      ...{ organization, name, partition, allowedRoles, credential: apiKey },
      ...{ server: ragieServer, filters: undefined },
    })),
  );
  return foundOf(collections, { target, leftOut: [] });
}

interface Around {
  readonly target: Pick<RagieTarget, 'ragieBaseUrl'>;
  readonly leftOut: readonly LeftOut[];
}

function foundOf(collections: readonly FoundCollection[], { target, leftOut }: Around): Found {
  const organizations = [...new Set(collections.map(({ organization }) => organization))];
  const ragie = { key: ragieServer, title: 'Ragie', transport: ragieTransport(target.ragieBaseUrl) };
  return {
    ...nothingFound,
    organizations: organizations.map((ref) => ({ ...organizationOf(ref), name: ref })),
    servers: collections.length > 0 ? [ragie] : [],
    collections,
    leftOut,
  };
}
