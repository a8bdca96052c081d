/** Whose word a call is at a server: of the caller's own account there, or of the caller as our identity provider knows them. */
import { z } from 'zod';
import type { Secret } from '#core/secret.ts';

const scopes = z.array(z.string().min(1).max(256)).max(100);

const connected = z.object({
  kind: z.literal('connected'),
  /** Vendors whose authorization servers say less of themselves than they should (oauth/connect/presets.ts). */
  preset: z.string().max(64).optional(),
  /** Issuer of the authorization server; undefined: the server's own metadata says it. */
  issuer: z.string().max(2048).optional(),
  /** What the gateway is there; undefined: its metadata document, or it registers itself. */
  clientId: z.string().max(2048).optional(),
  /** Sealed (server-secrets.ts). */
  sealedSecret: z.string().max(8192).optional(),
  /** Undefined: those that the server asks for. */
  scopes: scopes.optional(),
  /** RFC 8707; undefined: the server's own. */
  resource: z.string().max(2048).optional(),
  /** `auto`: by document where that is taken, else by registering. */
  registration: z.enum(['auto', 'document', 'register']).default('auto'),
  /** `shared`: its tools and prompts are the same for all, so that whoever has no account yet sees them too. */
  listing: z.enum(['personal', 'shared']).default('personal'),
});

const exchange = z.object({
  kind: z.literal('exchange'),
  grant: z.enum(['token-exchange', 'entra-obo', 'id-jag']),
  /** Of the authorization server that makes the token: the identity provider, or for `id-jag` the server's own. */
  issuer: z.string().max(2048),
  clientId: z.string().max(2048),
  sealedSecret: z.string().max(8192).optional(),
  audience: z.string().max(2048).optional(),
  resource: z.string().max(2048).optional(),
  scopes: scopes.default([]),
  listing: z.enum(['personal', 'shared']).default('personal'),
});

const schema = z.discriminatedUnion('kind', [connected, exchange]);

/** As it is given, before its secret is sealed. */
export interface GivenAuth {
  readonly auth: ServerAuth;
  readonly secret: Secret | undefined;
}

export type ServerAuth = z.output<typeof schema>;
export type ConnectedAuth = z.output<typeof connected>;
export type ExchangeAuth = z.output<typeof exchange>;

/** Throws for what is no such thing: the server is then left out. */
export function parseServerAuth(column: unknown): ServerAuth | undefined {
  return column === null || column === undefined ? undefined : schema.parse(column);
}
