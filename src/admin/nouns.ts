/** What the admin API says of each noun: shapes on the wire, never a secret among them. */
import { z } from 'zod';
import { maxPasswordLength, minPasswordLength } from '#core/password.ts';
import { isReservedHeader } from '#core/reserved.ts';
import { plainListing } from '#records/snapshot.ts';
import { type BindingLike, checkBindings, tools } from './tool-nouns.ts';
import { transportKinds } from './transport-nouns.ts';

export const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be a-z, 0-9 and "-", at most 63 characters');
export const collectionName = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'must be letters, digits, ".", "_" and "-", at most 63 characters');
/** Slug, external id or UUID. */
export const organizationRef = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, 'must be the slug or id of an organization');
export const text = z.string().trim().min(1).max(512);
const time = z.iso.datetime();
const roles = z.array(text).max(100);
export const rolesOrAll = z.union([z.literal('*'), roles], { error: 'must be "*" or a list of roles' });
export const enforced = z.record(text, z.record(text, z.record(z.string(), z.unknown())));

export const organization = z.object({
  id: z.string(),
  slug: z.string(),
  externalId: z.string().nullable(),
  name: z.string(),
  /** Host name whose `/mcp` is this organization's. */
  domain: z.string().nullable(),
});

/** A child's environment is left out: it is an operator's business. */
export const server = z.object({
  id: z.string(),
  key: z.string(),
  title: z.string(),
  kind: z.enum(transportKinds),
  organization: z.string().nullable(),
  trusted: z.boolean(),
  /** Whose word a call is; null: a binding's credential, or nobody's. */
  accounts: z.enum(['connected', 'exchange']).nullable(),
  /** False: off for everybody. */
  active: z.boolean(),
  blockedTools: z.array(z.string()),
});

/** For whoever edits it: what is sealed stays where it is. */
export const serverDetail = server.extend({
  managedBy: z.string(),
  keyName: z.string(),
  totalTimeoutMs: z.int().nullable(),
  /** As it was given; values of variables are null where something else than the API defines it. */
  transport: z.record(z.string(), z.unknown()),
  /** Without its secret. */
  auth: z.record(z.string(), z.unknown()).nullable(),
});

export const bindingInput = z.strictObject({
  server: slug.describe('Key of the server.'),
  partition: text.optional().describe('Replaces `{partition}` in its URL.'),
  credential: z.string().min(1).max(16_384).optional().describe('Sent upstream, sealed here.'),
  header: z
    .strictObject({
      name: z
        .string()
        .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/)
        .refine((name) => !isReservedHeader(name), { error: 'is a header that the gateway sets itself' })
        .describe('Header that carries the credential. Default: Authorization.'),
      template: z.string().includes('{}').describe('`{}` stands for the credential. Default: `Bearer {}`.'),
    })
    .optional(),
  enforced: enforced.default({}).describe('Tool → argument → what is merged over what callers send.'),
  prefix: z
    .string()
    .regex(/^([a-z0-9][a-z0-9-]{0,62})?$/, 'must be a-z, 0-9 and "-", at most 63 characters, or empty')
    .optional()
    .describe("Before the names of its tools where the collection has several servers. Default: the server's key."),
  tools: tools.default({}).describe('Which of its tools are published, and how.'),
});

/** The bindings of one collection, with `binding` for each. */
export const bindingsOf = <T extends z.ZodType<BindingLike>>(binding: T) =>
  z.array(binding).min(1).max(100).superRefine(checkBindings);

/** How a collection shows what it has. */
export const listingInput = {
  names: z
    .enum(['prefixed', 'plain'])
    .default(plainListing.names)
    .describe('`prefixed`: `{prefix}_{name}` where it has several servers. `plain`: as the servers call them.'),
  mode: z
    .enum(['full', 'meta', 'auto'])
    .default(plainListing.mode)
    .describe('`meta`: three tools that search, describe and call the others; `auto`: that, beyond the budget.'),
  tokenBudget: z.int().min(1).max(10_000_000).default(plainListing.tokenBudget).describe('Of a list, for `auto`.'),
};

export const collection = z.object({
  id: z.string(),
  organization: z.string(),
  name: z.string(),
  allowedRoles: rolesOrAll,
  names: z.enum(['prefixed', 'plain']),
  mode: z.enum(['full', 'meta', 'auto']),
  tokenBudget: z.int(),
  bindings: z.array(
    z.object({
      server: z.string(),
      partition: z.string().nullable(),
      hasCredential: z.boolean(),
      enforced,
      /** null: the server's key. */
      prefix: z.string().nullable(),
      tools: z.record(z.string(), z.unknown()),
    }),
  ),
});

const keyFields = {
  id: z.string(),
  name: z.string(),
  org: z.string(),
  roles,
  /** null: every endpoint of the organization. */
  endpoints: z.array(z.string()).nullable(),
  /** The service account that it acts as. */
  serviceAccount: z.string().nullable(),
  expiresAt: time.nullable(),
  createdAt: time,
};
export const apiKey = z.object({ ...keyFields, last4: z.string(), revokedAt: time.nullable() });
/** The one answer that carries the key itself. */
export const newApiKey = z.object({ key: z.string(), ...keyFields });

const grant = z.enum(['client_credentials', 'token-exchange', 'jwt-bearer']);
const mcpScope = z.enum(['mcp:read', 'mcp:write', 'mcp:session']);
const webUrl = z
  .string()
  .max(2048)
  .refine(
    (url) =>
      /^(https:|http:\/\/(127\.0\.0\.1|\[::1\]|localhost)[:/])/.test(url) && URL.canParse(url) && !url.includes('#'),
    {
      error: 'must be an https URL without a fragment (http on loopback only)',
    },
  );

export const newProgramClientInput = {
  name: text,
  /** What it may ask the token endpoint for; none: it only introspects, or people sign in through it. */
  grants: z.array(grant).max(3).default([]),
  /** Most that its tokens can have. */
  scopes: z.array(mcpScope).max(3).default(['mcp:read', 'mcp:write']),
  /** Its own, in the organization. */
  roles: roles.default([]),
  redirectUris: z.array(webUrl).max(20).default([]),
  /** Resources of the organization whose tokens it may introspect. */
  introspects: z.array(webUrl).max(100).default([]),
  /** Issuers of authorization servers that it may get identity assertions for, with its client id there. */
  assertionAudiences: z.record(webUrl, text).default({}),
  /** Public keys it signs with, instead of a secret. */
  jwks: z.strictObject({ keys: z.array(z.record(z.string(), z.unknown())).min(1).max(10) }).optional(),
};

const programClientFields = {
  id: z.string(),
  name: z.string(),
  org: z.string(),
  grants: z.array(grant),
  scopes: z.array(z.string()),
  roles,
  redirectUris: z.array(z.string()),
  introspects: z.array(z.string()),
  assertionAudiences: z.record(z.string(), z.string()),
  authentication: z.enum(['secret', 'keys']),
  createdAt: time,
};
export const programClient = z.object(programClientFields);
/** The one answer that carries the secret; null: it has keys of its own. */
export const newProgramClient = z.object({ secret: z.string().nullable(), ...programClientFields });

export const signingKey = z.object({
  kid: z.string(),
  /** When it begins to sign: published before, so that whoever keeps the key set knows it by then. */
  signsAt: z.iso.datetime(),
});
/** Of local accounts; others have the names that their identity provider gives them. */
export const username = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$/, 'must be letters, digits and "._@+-", at most 128 characters');
export const password = z
  .string()
  .min(minPasswordLength, `must have at least ${minPasswordLength} characters`)
  .max(maxPasswordLength, `must have at most ${maxPasswordLength} characters`);
const accountFields = {
  id: z.string(),
  username: z.string(),
  name: z.string().nullable(),
  email: z.string().nullable(),
  active: z.boolean(),
};
export const account = z.object({ ...accountFields, createdAt: time, lastSignInAt: time.nullable() });
/** The one answer that carries a password, where it was made here. */
export const newAccount = z.object({ ...accountFields, password: z.string().nullable() });

const pinnedAt = z.object({ hash: z.string(), at: time });
export const pin = z.object({
  server: z.string(),
  partition: z.string().nullable(),
  tool: z.string(),
  /** waiting: another definition than the approved one was seen. rejected: the last such one was refused. */
  state: z.enum(['approved', 'waiting', 'rejected']),
  approved: pinnedAt.nullable(),
  /** What waits for a decision. */
  held: pinnedAt.nullable(),
  /** From the approved definition to the one that waits, hidden characters written out. */
  changes: z.array(
    z.object({
      path: z.string(),
      change: z.enum(['added', 'removed', 'changed']),
      before: z.string().nullable(),
      after: z.string().nullable(),
    }),
  ),
  /** Characters that a person does not see and a model reads. */
  hiddenCharacters: z.array(z.object({ path: z.string(), character: z.string(), kind: z.string() })),
});

export const status = z.object({
  status: z.literal('healthy'),
  version: z.string(),
  demo: z.boolean(),
  url: z.string(),
});

export type Organization = z.output<typeof organization>;
export type Server = z.output<typeof server>;
export type Collection = z.output<typeof collection>;
export type Pin = z.output<typeof pin>;
export type ApiKey = z.output<typeof apiKey>;
export type ProgramClientNoun = z.output<typeof programClient>;

export type Account = z.output<typeof account>;
export type Status = z.output<typeof status>;
