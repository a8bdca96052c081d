/** Limits, as routes. */
import { z } from 'zod';
import { limit, limitInput, limitUsage } from '#admin/limit-nouns.ts';
import { organizationRef, text } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
const one = { ...org, id: z.uuid('must be the id of a limit') };

const limits = listing(limit, {
  id: ['id'],
  sort: ['server', 'group', 'points'],
  search: ['server', 'tool', 'group', 'user', 'apiKey'],
});

export const limitRoutes = {
  listLimits: {
    method: 'GET',
    path: '/organizations/:organization/limits',
    summary: 'Limits that an organization has set',
    permission: 'admin:limits:read',
    scope: 'organization',
    audit: 'limit.list',
    status: 200,
    input: z.strictObject({ ...org, ...limits.input }),
    output: limits.output,
    list: limits.list,
  },
  getLimit: {
    method: 'GET',
    path: '/organizations/:organization/limits/:id',
    summary: 'One limit',
    permission: 'admin:limits:read',
    scope: 'organization',
    audit: 'limit.read',
    status: 200,
    input: z.strictObject(one),
    output: limit,
  },
  setLimit: {
    method: 'POST',
    path: '/organizations/:organization/limits',
    summary: 'Set a limit; one about the same takes its place',
    permission: 'admin:limits:write',
    scope: 'organization',
    audit: 'limit.set',
    status: 201,
    input: z.strictObject({ ...org, ...limitInput }),
    output: limit,
  },
  removeLimit: {
    method: 'DELETE',
    path: '/organizations/:organization/limits/:id',
    summary: 'Take a limit away',
    permission: 'admin:limits:write',
    scope: 'organization',
    audit: 'limit.remove',
    status: 200,
    input: z.strictObject(one),
    output: limit,
    changes: 'getLimit',
  },
  getLimitUsage: {
    method: 'GET',
    path: '/organizations/:organization/limits/:id/usage',
    summary: 'How much of a limit is used now, by whom it counts',
    permission: 'admin:limits:read',
    scope: 'organization',
    audit: 'limit.usage',
    status: 200,
    input: z.strictObject({
      ...one,
      of: text
        .optional()
        .describe('Id of a key, person or group; default: those that the limit names, else every key.'),
    }),
    output: limitUsage,
  },
} as const;
