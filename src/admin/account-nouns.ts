/** What the admin API says of accounts that people have at servers: never a token, nor a secret of ours. */
import { z } from 'zod';
import { Secret } from '#core/secret.ts';
import type { GivenAuth } from '#records/server-auth.ts';

const text = z.string().trim().min(1).max(2048);
const scopes = z.array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'must be scopes (RFC 6749 3.3)')).max(100);
/** Where browsers and secrets are sent. */
const issuer = z
  .string()
  .max(2048)
  .refine(
    (url) =>
      URL.canParse(url) && /^(https:|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)[:/])/.test(url) && !/[?#]|\/$/.test(url),
    { error: 'must be an https URL without query, fragment and trailing slash (http on loopback only)' },
  );
const secret = z
  .string()
  .min(1)
  .max(4096)
  .transform((value) => new Secret(value));
const listing = z
  .enum(['personal', 'shared'])
  .default('personal')
  .describe('`shared`: its tools and prompts are the same for all, so whoever has no account yet sees them too.');

export const presetNames = [
  ...(['github', 'gitlab', 'atlassian', 'atlassian-mcp', 'google', 'slack', 'notion', 'linear'] as const),
] as const;

const connected = z.strictObject({
  kind: z.literal('connected').describe('Everybody links an account of their own.'),
  preset: z.enum(presetNames).optional().describe('Vendors that publish less of themselves than they should.'),
  issuer: issuer.optional().describe("Of the authorization server. Default: the server's own metadata says it."),
  clientId: text.optional().describe('Default: by metadata document, or registered by itself.'),
  clientSecret: secret.optional().describe('Sealed here.'),
  scopes: scopes.optional().describe('Default: those that the server asks for.'),
  resource: z.url().max(2048).optional().describe("RFC 8707. Default: the server's own."),
  registration: z.enum(['auto', 'document', 'register']).default('auto'),
  listing,
});

const exchange = z.strictObject({
  kind: z.literal('exchange').describe('The server trusts an authorization server that knows our people.'),
  grant: z.enum(['token-exchange', 'entra-obo', 'id-jag']),
  issuer,
  clientId: text,
  clientSecret: secret.optional().describe('Sealed here.'),
  audience: text.optional(),
  resource: z.url().max(2048).optional(),
  scopes: scopes.default([]),
  listing,
});

export const serverAuth = z
  .discriminatedUnion('kind', [connected, exchange])
  .describe("Whose word a call is, where a binding has no credential. Default: nobody's.");

/** As rows have it: the secret apart, until it is sealed. */
export function givenAuth({ clientSecret, ...auth }: z.output<typeof serverAuth>): GivenAuth {
  return { auth, secret: clientSecret };
}

const state = z.enum(['ok', 'expiring', 'failed']);

export const connection = z.object({
  id: z.string(),
  user: z.string(),
  subject: z.string(),
  email: z.string().nullable(),
  server: z.string(),
  issuer: z.string(),
  scopes: z.array(z.string()),
  /** What the server asked for since. */
  missingScopes: z.array(z.string()),
  state,
  /** An error code; null: nothing is wrong. */
  failedReason: z.string().nullable(),
  /** Of the access token; null: it has no end, or none is known. */
  expiresAt: z.iso.datetime().nullable(),
  /** It is renewed by itself. */
  renewable: z.boolean(),
  connectedAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
});

export const connections = z.object({
  items: z.array(connection),
  counts: z.object({ ok: z.int(), expiring: z.int(), failed: z.int() }),
});

export type Connection = z.output<typeof connection>;
