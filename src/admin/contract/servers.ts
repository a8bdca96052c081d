/** Servers of the platform. */
import { z } from 'zod';
import { serverAuth } from '#admin/account-nouns.ts';
import type { AdminRoute } from '#admin/contract.ts';
import { organizationRef, server, serverDetail, slug, text } from '#admin/nouns.ts';
import { serverKey } from '#admin/people-nouns.ts';
import { transport } from '#admin/transport-nouns.ts';
import { listing } from './lists.ts';

const servers = listing(server, { id: ['id'], sort: ['key', 'title', 'kind'], search: ['key', 'title', 'kind'] });

export const serverRoutes = {
  getServer: {
    method: 'GET',
    path: '/servers/:server',
    summary: 'One server of the platform, with its definition but without secrets',
    permission: 'admin:servers:read',
    scope: 'platform',
    audit: 'server.read',
    status: 200,
    input: z.strictObject({ server: serverKey }),
    output: serverDetail,
  },
  listServers: {
    method: 'GET',
    path: '/servers',
    summary: 'Every server definition of the platform',
    permission: 'admin:servers:read',
    scope: 'platform',
    audit: 'server.list',
    status: 200,
    input: z.strictObject({ ...servers.input }),
    output: servers.output,
    list: servers.list,
  },
  createServer: {
    method: 'POST',
    path: '/servers',
    summary: 'Define a server of the platform, optionally enabled for an organization',
    permission: 'admin:servers:write',
    // Never for an organization's key: a stdio server is a command of this machine.
    scope: 'platform',
    audit: 'server.create',
    status: 201,
    input: z.strictObject({
      key: slug,
      title: text.optional(),
      transport,
      auth: serverAuth.optional(),
      trusted: z.boolean().default(false),
      enableFor: organizationRef.optional(),
    }),
    output: server,
  },
} as const satisfies Record<string, AdminRoute>;
