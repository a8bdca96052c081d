/** Routes for operators: clients that registered themselves, what has expired, and how much of everything there is. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { listing } from './lists.ts';

const registration = z.object({
  id: z.string(),
  name: z.string().nullable(),
  redirectHosts: z.array(z.string()),
  /** pending: nobody signed in through it. */
  state: z.enum(['active', 'pending', 'expired']),
  registeredAt: z.string(),
  signedInAt: z.string().nullable(),
  expiresAt: z.string().nullable(),
  /** Access and refresh tokens that are good. */
  tokens: z.int(),
});

export type RegistrationNoun = z.output<typeof registration>;

const registrations = listing(registration, {
  id: ['id'],
  sort: ['registeredAt', 'name', 'expiresAt', 'tokens'],
  search: ['id', 'name', 'redirectHosts'],
});

const count = z.int().min(0);

export const registrationRoutes = {
  listRegistrations: {
    method: 'GET',
    path: '/registrations',
    summary: 'Clients that registered at the authorization server',
    permission: 'admin:registrations:read',
    scope: 'platform',
    audit: 'registration.list',
    status: 200,
    input: z.strictObject({ ...registrations.input }),
    output: registrations.output,
    list: registrations.list,
  },
  removeRegistration: {
    method: 'DELETE',
    path: '/registrations/:id',
    summary: 'Remove a client with all of its tokens; whoever used it registers anew',
    permission: 'admin:registrations:write',
    scope: 'platform',
    audit: 'registration.remove',
    status: 200,
    input: z.strictObject({ id: z.string().regex(/^[!-~]{1,256}$/) }),
    output: z.object({ id: z.string() }),
  },
  purgeExpired: {
    method: 'POST',
    path: '/registrations/purge',
    summary: 'Remove what has expired now, which the gateway does by itself from time to time',
    permission: 'admin:registrations:write',
    scope: 'platform',
    audit: 'registration.purge',
    status: 200,
    input: z.strictObject({
      /** Only count. */
      dryRun: z.boolean().default(false),
    }),
    output: z.object({
      dryRun: z.boolean(),
      ...{ clients: count, tokens: count, otherRecords: count, signInAttempts: count, portalSessions: count },
    }),
  },
  getStatistics: {
    method: 'GET',
    path: '/statistics',
    summary: 'How much there is of everything, and the calls of the last 24 hours',
    permission: 'admin:status:read',
    scope: 'platform',
    audit: 'statistics.read',
    status: 200,
    input: z.strictObject({}),
    output: z.object({
      ...{ organizations: count, people: count, members: count, servers: count, collections: count, apiKeys: count },
      ...{ clients: count, pendingClients: count, programs: count, accessTokens: count, refreshTokens: count },
      ...{ signIns: count, portalSessions: count, calls: count, failedCalls: count, callers: count },
    }),
  },
} as const satisfies Record<string, AdminRoute>;
