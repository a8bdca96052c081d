/** Routes of API keys, and of OAuth clients of programs: their secrets are in one answer and nowhere else. */
import { z } from 'zod';
import {
  apiKey,
  newApiKey,
  newProgramClient,
  newProgramClientInput,
  organizationRef,
  programClient,
  text,
} from '#admin/nouns.ts';
import { listing } from './lists.ts';

const org = { organization: organizationRef };
const keys = listing(apiKey, { id: ['id'], sort: ['name', 'createdAt', 'expiresAt'], search: ['name', 'last4'] });
const clients = listing(programClient, { id: ['id'], sort: ['name', 'createdAt'], search: ['name', 'id'] });

export const keyRoutes = {
  listKeys: {
    method: 'GET',
    path: '/organizations/:organization/keys',
    summary: 'API keys of an organization, without the keys themselves',
    permission: 'admin:keys:read',
    scope: 'organization',
    audit: 'key.list',
    status: 200,
    input: z.strictObject({ ...org, ...keys.input, state: z.enum(['active', 'expired', 'revoked']).optional() }),
    output: keys.output,
    list: keys.list,
  },
  createKey: {
    method: 'POST',
    path: '/organizations/:organization/keys',
    summary: 'Make an API key: its text is in this answer and nowhere else',
    permission: 'admin:keys:write',
    scope: 'organization',
    audit: 'key.create',
    status: 201,
    input: z.strictObject({
      ...org,
      name: text,
      roles: z.array(text).max(100).default([]),
      endpoints: z.array(text).max(1000).optional(),
      /** The key acts as it: with its groups and grants, and its roles beside the key's own. */
      serviceAccount: text.optional(),
      /** Undefined: until revoked. */
      expiresInSeconds: z.int().min(1).max(315_360_000).optional(),
    }),
    output: newApiKey,
    answersSecret: true,
    freshSignIn: true,
  },
  revokeKey: {
    method: 'DELETE',
    path: '/organizations/:organization/keys/:id',
    summary: 'Revoke an API key',
    permission: 'admin:keys:write',
    scope: 'organization',
    audit: 'key.revoke',
    status: 200,
    input: z.strictObject({ ...org, id: text }),
    output: apiKey,
  },
  listClients: {
    method: 'GET',
    path: '/organizations/:organization/clients',
    summary: 'OAuth clients that operators registered for programs of an organization',
    permission: 'admin:clients:read',
    scope: 'organization',
    audit: 'client.list',
    status: 200,
    input: z.strictObject({ ...org, ...clients.input }),
    output: clients.output,
    list: clients.list,
  },
  createClient: {
    method: 'POST',
    path: '/organizations/:organization/clients',
    summary: 'Register an OAuth client for a program: its secret is in this answer and nowhere else',
    permission: 'admin:clients:write',
    scope: 'organization',
    audit: 'client.create',
    status: 201,
    input: z.strictObject({ ...org, ...newProgramClientInput }),
    output: newProgramClient,
    answersSecret: true,
    freshSignIn: true,
  },
  removeClient: {
    method: 'DELETE',
    path: '/organizations/:organization/clients/:id',
    summary: 'Remove an OAuth client of a program: its tokens end with it',
    permission: 'admin:clients:write',
    scope: 'organization',
    audit: 'client.remove',
    status: 200,
    input: z.strictObject({ ...org, id: text }),
    output: programClient,
  },
} as const;
