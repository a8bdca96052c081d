/** Routes about accounts that members have at servers. */
import { z } from 'zod';
import { connection, connections } from '#admin/account-nouns.ts';
import type { AdminRoute } from '#admin/contract.ts';
import { organizationRef, slug } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const ofServer = { organization: organizationRef, server: slug };

const connectionList = listing(connection, {
  id: ['id'],
  sort: ['email', 'state', 'connectedAt', 'expiresAt'],
  search: ['email', 'subject', 'state'],
});

export const connectionRoutes = {
  listConnections: {
    method: 'GET',
    path: '/organizations/:organization/servers/:server/connections',
    summary: 'Accounts that members have connected at a server, and how they are',
    permission: 'admin:connections:read',
    scope: 'organization',
    audit: 'connection.list',
    status: 200,
    input: z.strictObject({ ...ofServer, ...connectionList.input }),
    output: connections.extend(connectionList.output.shape),
    list: connectionList.list,
  },
  removeConnection: {
    method: 'DELETE',
    path: '/organizations/:organization/servers/:server/connections/:user',
    summary: 'Disconnect the account of a member',
    permission: 'admin:connections:write',
    scope: 'organization',
    audit: 'connection.remove',
    status: 200,
    input: z.strictObject({ ...ofServer, user: z.uuid() }),
    output: connection,
  },
} as const satisfies Record<string, AdminRoute>;
