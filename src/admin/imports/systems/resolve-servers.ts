/** Servers that another gateway had in its code or configuration, and names only in its data: here by the same key, or the catalogue's. */
import { definitionOf } from '#admin/catalog/definition.ts';
import type { CatalogEntry } from '#admin/catalog/entry.ts';
import type { FoundServer, LeftOut } from './found.ts';

export interface ServerPlaces {
  /** Servers that are here: key, and which of several credentials is meant for it. */
  readonly servers: ReadonlyMap<string, string>;
  readonly catalog: readonly CatalogEntry[];
  /** Answers as it is to be stored. Throws for what may not be reached. */
  readonly checkUrl: (url: string) => Promise<string>;
}

interface Resolving {
  readonly places: ServerPlaces;
  /** Server → name of a key that is meant for it. */
  readonly keyNames?: ReadonlyMap<string, string>;
  readonly leftOut: LeftOut[];
}

export interface Resolved {
  /** To be made. */
  readonly servers: readonly FoundServer[];
  /** Of all that are here then: which of several credentials is meant for it. */
  readonly known: ReadonlyMap<string, string>;
}

/** `wanted`: once for each row that names it. */
export function resolveServers(wanted: readonly string[], { places, keyNames, leftOut }: Resolving): Resolved {
  const servers: FoundServer[] = [];
  const known = new Map(places.servers);
  for (const server of new Set(wanted)) {
    if (known.has(server)) continue;
    const entry = places.catalog.find((one) => one.key === server);
    const definition = entry && definitionOf(entry);
    if (definition?.transport.kind === 'http' || definition?.transport.kind === 'sse') {
      const keyName = keyNames?.get(server) ?? '';
      servers.push({ key: server, title: definition.title, transport: definition.transport, keyName });
      known.set(server, keyName);
      continue;
    }
    const rows = wanted.filter((one) => one === server).length;
    const how = entry ? `\`gatehouse catalog add ${server}\`` : 'define it under this key in gatehouse.yaml';
    leftOut.push({
      what: `server ${server}`,
      reason: `it is not here, and ${rows} rows name it: ${how}, then import again`,
    });
  }
  return { servers, known };
}
