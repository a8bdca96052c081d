/** Routes that are everybody's: whoever is signed in, about themselves. Neither keys nor the platform have any of it. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import * as noun from '#admin/me-nouns.ts';
import { collectionName, organizationRef, slug, text } from '#admin/nouns.ts';
import { rowId, toolNames } from '#admin/people-nouns.ts';

const org = { organization: organizationRef };
const path = '/organizations/:organization/me';
const endpoint = z
  .union([z.literal(''), collectionName])
  .default('')
  .describe('Empty: everything that you may use.');
const time = z.iso.datetime({ offset: true }).transform((value) => Date.parse(value));
/** An OAuth client's id may be the URL of its document. */
export const clientId = z.string().regex(/^[!-~]{1,2048}$/, 'must be the id of an OAuth client');
const daySeconds = 86_400;
const json = z.record(z.string(), z.json());

const callMethods = [
  ...(['tools/list', 'tools/call', 'prompts/list', 'prompts/get', 'resources/list', 'resources/read'] as const),
  ...(['resources/templates/list', 'completion/complete', 'server/discover', 'ping'] as const),
] as const;

const mine = { scope: 'self', status: 200 } as const;
const reading = { ...mine, method: 'GET' } as const;

export const meRoutes = {
  getMe: {
    ...reading,
    path,
    summary: 'Who I am in an organization',
    permission: 'self:profile:read',
    audit: 'me.read',
    input: z.strictObject(org),
    output: z.object({
      ...{ user: z.string(), email: z.string().nullable(), name: z.string().nullable() },
      organization: z.object({ id: z.string(), slug: z.string(), name: z.string() }),
      ...{ roles: z.array(z.string()), groups: z.array(z.string()), isAdministrator: z.boolean() },
    }),
  },
  listMyEndpoints: {
    ...reading,
    path: `${path}/endpoints`,
    summary: 'What I may use, where, and how it is',
    permission: 'self:endpoints:read',
    audit: 'me.endpoints',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.myEndpoint),
  },
  listMyTools: {
    ...reading,
    path: `${path}/tools`,
    summary: 'The tools that I may use',
    permission: 'self:tools:read',
    audit: 'me.tools',
    input: z.strictObject({ ...org, endpoint, search: z.string().max(128).optional(), ...noun.paging }),
    output: noun.pageOf(noun.myTool).extend({
      missing: z.array(z.string()).describe('Servers that never said what they have.'),
      stale: z.array(z.string()).describe('Servers whose list is old.'),
    }),
  },
  listMyAccounts: {
    ...reading,
    path: `${path}/accounts`,
    summary: 'My own accounts at servers',
    permission: 'self:accounts:read',
    audit: 'me.accounts',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.myAccount),
  },
  removeMyAccount: {
    ...mine,
    method: 'DELETE',
    path: `${path}/accounts/:server`,
    summary: 'Disconnect my account at a server',
    permission: 'self:accounts:write',
    audit: 'me.disconnect',
    input: z.strictObject({ ...org, server: slug }),
    output: noun.myAccount,
  },
  listMyKeys: {
    ...reading,
    path: `${path}/keys`,
    summary: 'My API keys, without the keys themselves',
    permission: 'self:keys:read',
    audit: 'me.keys',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.myKey),
  },
  createMyKey: {
    ...mine,
    method: 'POST',
    path: `${path}/keys`,
    status: 201,
    summary: 'Make an API key that may what I may: its text is in this answer and nowhere else',
    permission: 'self:keys:write',
    audit: 'me.mint',
    input: z.strictObject({
      ...org,
      name: text,
      endpoints: z.array(collectionName).min(1).max(100).optional().describe('Default: all that I may use.'),
      expiresInSeconds: z
        .int()
        .min(60)
        .max(366 * daySeconds)
        .default(90 * daySeconds),
    }),
    output: noun.newMyKey,
  },
  revokeMyKey: {
    ...mine,
    method: 'DELETE',
    path: `${path}/keys/:id`,
    summary: 'Revoke an API key of mine',
    permission: 'self:keys:write',
    audit: 'me.revoke',
    input: z.strictObject({ ...org, id: text }),
    output: noun.myKey,
  },
  listMyApps: {
    ...reading,
    path: `${path}/apps`,
    summary: 'Applications that I let in',
    permission: 'self:apps:read',
    audit: 'me.apps',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.myApp),
  },
  removeMyApp: {
    ...mine,
    method: 'DELETE',
    path: `${path}/apps`,
    summary: 'Take back what I let an application have: its tokens end',
    permission: 'self:apps:write',
    audit: 'me.unapp',
    input: z.strictObject({ ...org, client: clientId }),
    output: z.object({ client: z.string(), revoked: z.int() }),
  },
  listMyCalls: {
    ...reading,
    path: `${path}/calls`,
    summary: 'My own calls, the newest first',
    permission: 'self:calls:read',
    audit: 'me.calls',
    input: z.strictObject({
      ...{ ...org, server: slug.optional(), tool: text.optional(), decision: z.enum(['allow', 'deny']).optional() },
      ...{ since: time.optional(), until: time.optional(), ...noun.paging },
    }),
    output: noun.pageOf(noun.myCall),
  },
  listMyLimits: {
    ...reading,
    path: `${path}/limits`,
    summary: 'How much I may call, and how much of it is used',
    permission: 'self:limits:read',
    audit: 'me.limits',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.myLimit),
  },
  listRequestable: {
    ...reading,
    path: `${path}/requestable`,
    summary: 'What I may ask for',
    permission: 'self:requests:read',
    audit: 'me.requestable',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.requestable),
  },
  listMyRequests: {
    ...reading,
    path: `${path}/access-requests`,
    summary: 'What I asked for, and what came of it',
    permission: 'self:requests:read',
    audit: 'me.requests',
    input: z.strictObject({ ...org, state: noun.requestState.optional(), ...noun.paging }),
    output: noun.pageOf(noun.accessRequest),
  },
  createAccessRequest: {
    ...mine,
    method: 'POST',
    path: `${path}/access-requests`,
    status: 201,
    summary: 'Ask for a server, some tools of it, or a collection',
    permission: 'self:requests:write',
    audit: 'request.create',
    input: z.strictObject({
      ...{ ...org, server: slug.optional(), collection: collectionName.optional() },
      tools: toolNames.min(1).max(200).optional().describe('Of the server, by its own names. Default: all it has.'),
      reason: z.string().trim().min(1).max(1000),
    }),
    output: noun.accessRequest,
  },
  withdrawRequest: {
    ...mine,
    method: 'DELETE',
    path: `${path}/access-requests/:id`,
    summary: 'Take back what I asked for',
    permission: 'self:requests:write',
    audit: 'request.withdraw',
    input: z.strictObject({ ...org, id: rowId }),
    output: noun.accessRequest,
  },
  callAsMyself: {
    ...mine,
    method: 'POST',
    path: `${path}/call`,
    summary:
      'Call as myself, through the rooms that every call takes. With `Accept: application/x-ndjson` each event is a line as it comes',
    permission: 'self:call:write',
    audit: 'me.call',
    input: z.strictObject({
      ...{ ...org, endpoint, method: z.enum(callMethods) },
      params: json.default({}).describe("As the method's specification has them: `name`, `arguments`, `uri` …"),
      era: z.enum(['modern', 'legacy']).default('modern'),
      inputResponses: json.optional().describe('Answers to a question, by the names that it asked under.'),
      requestState: z.string().max(65_536).optional().describe('Of the question.'),
    }),
    output: z.object({ items: z.array(noun.callEvent) }),
  },
} as const satisfies Record<string, AdminRoute>;
