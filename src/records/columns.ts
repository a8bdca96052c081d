/** The JSON columns of our tables, parsed where they are read: operators write them in psql too. */
import { z } from 'zod';
import type { ServerTransport } from '#core/transport.ts';
import type { EnforcedArguments } from '#mcp/enforce.ts';
import type { Listing } from './snapshot.ts';

const roles = z.array(z.string());
const allowedRoles = z.union([z.literal('*'), roles]);

const state = z.enum(['stateful', 'stateless']);

const tls = z.object({
  caFile: z.string().exactOptional(),
  certFile: z.string().exactOptional(),
  keyFile: z.string().exactOptional(),
});

const strings = z.array(z.string());
const run = {
  env: z.record(z.string(), z.string()).default({}),
  credentialEnv: z.string().exactOptional(),
  state: state.default('stateful'),
  volumes: z.array(z.object({ source: z.string(), target: z.string(), readOnly: z.boolean() })).exactOptional(),
  permission: z
    .object({
      network: z.union([z.enum(['none', 'full']), z.object({ allow: strings })]),
      read: strings.exactOptional(),
      write: strings.exactOptional(),
    })
    .exactOptional(),
  resources: z
    .object({
      memoryMb: z.number().exactOptional(),
      cpus: z.number().exactOptional(),
      processes: z.number().exactOptional(),
      openFiles: z.number().exactOptional(),
      fileMb: z.number().exactOptional(),
    })
    .exactOptional(),
};
const program = { command: z.string(), args: strings.default([]), cwd: z.string().exactOptional(), ...run };
const pinned = { protocolVersion: z.string().exactOptional() };

const transport = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('http'),
    url: z.string(),
    urls: strings.exactOptional(),
    state: state.exactOptional(),
    tls: tls.exactOptional(),
    ...pinned,
  }),
  z.object({ kind: z.literal('sse'), url: z.string(), tls: tls.exactOptional(), ...pinned }),
  z.object({ kind: z.literal('stdio'), ...program, ...pinned }),
  z.object({
    kind: z.literal('process'),
    ...program,
    speaks: z.enum(['http', 'sse']),
    port: z.number().exactOptional(),
    path: z.string().default('/mcp'),
    ...pinned,
  }),
  z.object({
    kind: z.literal('container'),
    image: z.string(),
    args: strings.default([]),
    ...run,
    speaks: z.enum(['stdio', 'http', 'sse']).default('stdio'),
    port: z.number().exactOptional(),
    path: z.string().exactOptional(),
    ...pinned,
  }),
  z.object({ kind: z.literal('openapi'), document: z.string(), url: z.string().exactOptional(), ...pinned }),
  z.object({ kind: z.literal('builtin'), name: z.string(), ...pinned }),
]);

const enforced = z.record(z.string(), z.record(z.string(), z.record(z.string(), z.unknown())));

const identities = z.array(z.object({ provider: z.string(), subject: z.string() }));

const listing = z.object({
  names: z.enum(['prefixed', 'plain']),
  mode: z.enum(['full', 'meta', 'auto']),
  tokenBudget: z.int().positive(),
});

export const parseIdentities = (value: unknown) => identities.parse(value);
export const parseRoles = (value: unknown): readonly string[] => roles.parse(value);
export const parseAllowedRoles = (value: unknown): readonly string[] | '*' => allowedRoles.parse(value);
export const parseTransport = (value: unknown): ServerTransport => transport.parse(value);

interface ListingColumns {
  readonly names: string;
  readonly mode: string;
  readonly token_budget: number;
}

export const parseListing = ({ names, mode, token_budget }: ListingColumns): Listing =>
  listing.parse({ names, mode, tokenBudget: token_budget });

/** By tool, then by argument: objects that are merged over what the caller sent. */
export function parseEnforced(value: unknown): ReadonlyMap<string, EnforcedArguments> {
  return new Map(
    Object.entries(enforced.parse(value)).map(([tool, byArgument]) => [tool, new Map(Object.entries(byArgument))]),
  );
}
