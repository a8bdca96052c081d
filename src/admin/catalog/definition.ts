/** An entry with what its operator says: a definition of a server, or what is still needed for one. */
import type { ServerTransport } from '#core/transport.ts';
import type { GivenAuth } from '#records/server-auth.ts';
import type { CatalogEntry } from './entry.ts';

export interface CatalogDefinition {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
  readonly auth: GivenAuth | undefined;
  /** How a key goes out; undefined: there is none, or a variable gets it. */
  readonly header: { readonly name: string; readonly template: string } | undefined;
}

/** undefined: nobody says where it is. */
export function definitionOf(entry: CatalogEntry, { url }: { readonly url?: string | undefined } = {}) {
  const transport = transportOf(entry, url);
  if (!transport) return undefined;
  const { key, title, auth } = entry;
  const definition: CatalogDefinition = {
    ...{ key, title, transport },
    auth:
      auth.kind === 'connected'
        ? {
            auth: {
              ...{ kind: 'connected', registration: 'auto', listing: 'personal' },
              ...(auth.preset !== undefined && { preset: auth.preset }),
            },
            secret: undefined,
          }
        : undefined,
    header: auth.kind === 'key' ? { name: auth.header.toLowerCase(), template: auth.template } : undefined,
  };
  return definition;
}

function transportOf({ transport }: CatalogEntry, given: string | undefined): ServerTransport | undefined {
  if (transport.kind === 'http' || transport.kind === 'sse') {
    const url = given ?? transport.url;
    return url === undefined ? undefined : { kind: transport.kind, url };
  }
  const { args, env, credentialEnv, network } = transport;
  const run = {
    ...{ args, env, state: 'stateful' as const, permission: { network } },
    ...(credentialEnv !== undefined && { credentialEnv }),
  };
  return transport.kind === 'stdio'
    ? { kind: 'stdio', command: transport.command, ...run }
    : { kind: 'container', image: transport.image, speaks: 'stdio', ...run };
}
