/** What everybody hears of what is theirs, and administrators of the same: shapes on the wire. */
import { z } from 'zod';

const nullable = z.string().nullable();
const time = z.iso.datetime();
const texts = z.array(z.string());

export const paging = {
  limit: z.coerce.number().int().min(1).max(1000).default(100),
  cursor: z.string().max(512).optional().describe('`next` of the page before.'),
};
export const pageOf = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item), next: nullable });

export const serverState = z
  .enum(['well', 'down', 'unknown', 'sign-in', 'off'])
  .describe('`sign-in`: it wants an account of yours; `off`: not enabled; `unknown`: not asked yet.');

export const myEndpoint = z.object({
  name: z.string().describe('Empty: everything that you may use.'),
  kind: z.enum(['collection', 'server', 'everything']),
  title: z.string(),
  mode: z.enum(['full', 'meta', 'auto']),
  urls: z.array(z.object({ form: z.enum(['organization', 'own', 'host', 'domain', 'keys']), url: z.string() })),
  servers: z.array(
    z.object({
      ...{ key: z.string(), title: z.string(), kind: z.string(), state: serverState },
      ...{ checkedAt: time.nullable(), connectUrl: nullable },
    }),
  ),
});
export type MyEndpoint = z.output<typeof myEndpoint>;

const json = z.record(z.string(), z.unknown());
export const myTool = z.object({
  ...{ endpoint: z.string(), name: z.string(), title: nullable, description: z.string(), server: nullable },
  ...{ annotations: json, inputSchema: json, outputSchema: json.nullable() },
});
export type MyTool = z.output<typeof myTool>;

export const myAccount = z.object({
  ...{ server: z.string(), title: z.string(), state: z.enum(['ok', 'expiring', 'failed', 'none']), issuer: nullable },
  ...{ scopes: texts, missingScopes: texts, failedReason: nullable, expiresAt: time.nullable() },
  ...{ connectedAt: time.nullable(), connectUrl: nullable },
});
export type MyAccount = z.output<typeof myAccount>;

const myKeyFields = {
  ...{ id: z.string(), name: z.string(), endpoints: texts.nullable(), expiresAt: time.nullable(), createdAt: time },
};
export const myKey = z.object({ ...myKeyFields, last4: z.string(), revokedAt: time.nullable() });
export const newMyKey = z.object({ key: z.string(), ...myKeyFields });

const appKind = z.enum(['registered', 'document', 'program']);
export const myApp = z.object({
  ...{ client: z.string(), name: nullable, url: nullable, kind: appKind, scopes: texts, resources: texts },
  ...{ since: time.nullable(), lastUsedAt: time.nullable(), expiresAt: time.nullable() },
});

export const app = z.object({
  ...{ client: z.string(), kind: appKind, name: nullable, url: nullable, software: nullable, redirectHosts: texts },
  ...{ registeredAt: time.nullable(), lastSeenAt: time.nullable(), people: z.int(), blocked: z.boolean() },
  ...{ blockedAt: time.nullable(), blockedBy: nullable, reason: nullable },
});
export type App = z.output<typeof app>;

export const token = z.object({
  ...{ id: z.string(), user: z.string(), email: nullable, name: nullable, client: z.string(), clientName: nullable },
  ...{ scopes: texts, resources: texts, since: time.nullable(), lastUsedAt: time.nullable() },
  expiresAt: time.nullable(),
});

export const session = z.object({
  ...{ id: z.string(), kind: z.enum(['sign-in', 'stream', 'call']), user: nullable, email: nullable, name: nullable },
  ...{ endpoint: nullable, client: nullable, since: time.nullable(), expiresAt: time.nullable() },
});
export type SessionNoun = z.output<typeof session>;

export const myCall = z.object({
  ...{ id: z.string(), at: time, endpoint: nullable, server: nullable, method: nullable, name: nullable },
  ...{ decision: z.string(), reason: nullable, status: z.int(), durationMs: z.number() },
  ...{ upstreamMs: z.number().nullable(), requestId: z.string() },
});

export const myLimit = z.object({
  id: z.string(),
  counts: z.enum(['organization', 'principal', 'group']),
  ...{ server: nullable, tool: nullable, points: z.int().nullable(), windowSeconds: z.int().nullable() },
  ...{ used: z.int().nullable(), remaining: z.int().nullable(), resetSeconds: z.int().nullable() },
  concurrent: z.int().nullable(),
});
export type MyLimit = z.output<typeof myLimit>;

export const requestable = z.object({
  ...{ kind: z.enum(['server', 'collection']), name: z.string(), title: z.string(), tools: texts },
  isOpen: z.boolean().describe('All or some of it is theirs already.'),
});
export type Requestable = z.output<typeof requestable>;

export const requestState = z.enum(['open', 'approved', 'refused', 'withdrawn']);
export const accessRequest = z.object({
  ...{ id: z.string(), organization: z.string(), user: z.string(), email: nullable, name: nullable },
  ...{ server: nullable, collection: nullable, tools: texts.nullable(), reason: z.string(), state: requestState },
  ...{ word: nullable, decidedBy: nullable, createdAt: time, decidedAt: time.nullable(), grant: nullable },
});

export const admittedBy = z.object({
  kind: z.enum(['everybody', 'role', 'group', 'grant', 'administrator']),
  name: nullable,
  tools: texts.nullable().describe('null: all.'),
});
export type AdmittedBy = z.output<typeof admittedBy>;

export const accessAnswer = z
  .enum(['allow', 'grant', 'blocked', 'policy', 'off'])
  .describe('`grant`: nothing gives it; `blocked`: switched off; `policy`: a policy forbids it; `off`: not enabled.');

export const endpointAccess = z.object({
  ...{ endpoint: z.string(), kind: z.enum(['collection', 'server']), admitted: z.boolean(), by: z.array(admittedBy) },
  servers: texts,
  tools: z.array(z.object({ name: z.string(), server: z.string(), answer: accessAnswer, policies: texts })),
});
export type EndpointAccess = z.output<typeof endpointAccess>;

export const whoCan = z.object({
  ...{ user: z.string(), email: nullable, name: nullable, answer: accessAnswer, by: z.array(admittedBy) },
  policies: texts,
});

const message = json.describe('JSON-RPC, as a client would have it.');
const atMs = { ms: z.number().describe('Milliseconds since the call began.') };
export const callEvent = z.discriminatedUnion('type', [
  z.object({
    ...{ type: z.literal('request'), callId: z.string(), at: time, url: z.string(), step: nullable },
    headers: z.record(z.string(), z.string()),
    message,
  }),
  z.object({ type: z.literal('head'), status: z.int(), headers: z.record(z.string(), z.string()), ...atMs }),
  z.object({ type: z.literal('notification'), message, ...atMs }),
  z.object({ type: z.literal('question'), message, inputRequests: json, requestState: nullable, ...atMs }),
  z.object({ type: z.literal('answer'), message, ...atMs }),
  z.object({
    ...{ type: z.literal('end'), status: z.int(), durationMs: z.number(), upstreamMs: z.number().nullable() },
    decision: z.object({
      outcome: z.enum(['allowed', 'refused']),
      by: z.enum(['token', 'membership', 'existence', 'grant', 'enablement', 'policy', 'limit', 'filter']).nullable(),
      ...{ code: nullable, server: nullable, name: nullable },
      policies: texts.optional().describe('Administrators only.'),
    }),
  }),
]);
export type CallEvent = z.output<typeof callEvent>;
