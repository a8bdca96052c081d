/** Routes by which administrators see and decide who is let in: requests, applications, tokens, sessions, effective access. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import * as noun from '#admin/me-nouns.ts';
import { collectionName, organizationRef, text } from '#admin/nouns.ts';
import { rowId, toolNames } from '#admin/people-nouns.ts';
import { clientId } from './me.ts';

const org = { organization: organizationRef };
const base = '/organizations/:organization';
const within = { scope: 'organization', status: 200 } as const;
const reading = { ...within, method: 'GET' } as const;
const deciding = { ...within, method: 'POST' } as const;
const word = z.string().trim().min(1).max(1000);

export const oversightRoutes = {
  listAccessRequests: {
    ...reading,
    path: `${base}/access-requests`,
    summary: 'What members asked for',
    permission: 'admin:requests:read',
    audit: 'request.list',
    input: z.strictObject({ ...org, state: noun.requestState.optional(), user: rowId.optional(), ...noun.paging }),
    output: noun.pageOf(noun.accessRequest),
  },
  approveRequest: {
    ...deciding,
    path: `${base}/access-requests/:id/approve`,
    summary: 'Give what was asked for, or fewer tools of it',
    permission: 'admin:requests:write',
    audit: 'request.approve',
    input: z.strictObject({ ...org, id: rowId, word: word.optional(), tools: toolNames.min(1).max(200).optional() }),
    output: noun.accessRequest,
  },
  refuseRequest: {
    ...deciding,
    path: `${base}/access-requests/:id/refuse`,
    summary: 'Refuse what was asked for, with a word to the person',
    permission: 'admin:requests:write',
    audit: 'request.refuse',
    input: z.strictObject({ ...org, id: rowId, word }),
    output: noun.accessRequest,
  },
  listApps: {
    ...reading,
    path: `${base}/apps`,
    summary: 'Applications that members let in, and those that are kept out',
    permission: 'admin:apps:read',
    audit: 'app.list',
    input: z.strictObject({ ...org, ...noun.paging }),
    output: noun.pageOf(noun.app),
  },
  blockApp: {
    ...deciding,
    path: `${base}/apps/block`,
    summary: 'Keep an application out: its tokens are refused here, whoever lets it in',
    permission: 'admin:apps:write',
    audit: 'app.block',
    input: z.strictObject({ ...org, client: clientId, reason: text.optional() }),
    output: noun.app,
  },
  unblockApp: {
    ...deciding,
    path: `${base}/apps/unblock`,
    summary: 'Let members use an application again',
    permission: 'admin:apps:write',
    audit: 'app.unblock',
    input: z.strictObject({ ...org, client: clientId }),
    output: z.object({ client: z.string(), blocked: z.boolean() }),
  },
  listTokens: {
    ...reading,
    path: `${base}/tokens`,
    summary: 'What members let applications have',
    permission: 'admin:tokens:read',
    audit: 'token.list',
    input: z.strictObject({ ...org, user: rowId.optional(), client: clientId.optional(), ...noun.paging }),
    output: noun.pageOf(noun.token),
  },
  revokeTokens: {
    ...deciding,
    path: `${base}/tokens/revoke`,
    summary: 'Take back one of them, those of a person or an application, or all',
    permission: 'admin:tokens:write',
    audit: 'token.revoke',
    input: z.strictObject({
      ...{ ...org, id: text.optional(), user: rowId.optional(), client: clientId.optional() },
      all: z.literal(true).optional(),
    }),
    output: z.object({ revoked: z.int() }),
  },
  listSessions: {
    ...reading,
    path: `${base}/sessions`,
    summary: 'Browsers of members that are signed in, and calls and streams that are open at this replica',
    permission: 'admin:sessions:read',
    audit: 'session.list',
    input: z.strictObject({ ...org, user: rowId.optional(), ...noun.paging }),
    output: noun.pageOf(noun.session),
  },
  endSession: {
    ...deciding,
    path: `${base}/sessions/end`,
    summary: 'End one of them, or all of a person',
    permission: 'admin:sessions:write',
    audit: 'session.end',
    input: z.strictObject({ ...org, id: text.optional(), user: rowId.optional() }),
    output: z.object({ ended: z.int() }),
  },
  showAccess: {
    ...reading,
    path: `${base}/members/:user/access`,
    summary: 'What a member may use, and by what',
    permission: 'admin:access:read',
    audit: 'access.member',
    input: z.strictObject({ ...org, user: rowId, endpoint: collectionName.optional(), ...noun.paging }),
    output: noun.pageOf(noun.endpointAccess).extend({
      ...{ user: z.string(), roles: z.array(z.string()), groups: z.array(z.string()), isAdministrator: z.boolean() },
    }),
  },
  showWhoCan: {
    ...reading,
    path: `${base}/who-can`,
    summary: 'Which members may use an endpoint, or one tool of it, and by what',
    permission: 'admin:access:read',
    audit: 'access.tool',
    input: z.strictObject({
      ...{ ...org, endpoint: collectionName, tool: z.string().min(1).max(256).optional() },
      ...{ ...noun.paging, limit: z.coerce.number().int().min(1).max(200).default(100) },
    }),
    output: noun.pageOf(noun.whoCan),
  },
} as const satisfies Record<string, AdminRoute>;
