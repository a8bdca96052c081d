/** How servers are: as the replica that answers knows it. */
import { z } from 'zod';
import { listing } from './lists.ts';

const time = z.iso.datetime();
const failure = z.object({ reason: z.string(), at: time });

export const serverHealth = z.object({
  key: z.string(),
  organization: z.string().nullable().describe('Whose own server it is; null: the platform’s.'),
  kind: z.string(),
  state: z
    .enum(['unused', 'well', 'degraded', 'failing'])
    .describe(
      '`unused`: not called since this replica runs. `degraded`: refused for some organizations, or some addresses fail. `failing`: no address is well.',
    ),
  instances: z.int(),
  healthy: z.int(),
  underWay: z.int().describe('Calls of all organizations,'),
  waiting: z.int().describe('and those that wait for a place.'),
  refused: z.array(z.object({ organization: z.string(), retryAt: time })).describe('Breakers that are open.'),
  lastCheck: time.nullable(),
  lastFailure: failure.nullable().describe('`reason`: an error of the gateway, or the status that the server sent.'),
  endpoints: z
    .array(
      z.object({
        address: z.string(),
        underWay: z.int(),
        ejected: z.boolean(),
        ejections: z.int(),
        leaving: z.boolean(),
        lastFailure: failure.nullable(),
      }),
    )
    .describe('Of a server with several addresses.'),
});

export type ServerHealthItem = z.output<typeof serverHealth>;

const running = z.int().describe('Now, on this replica.');
export const runnerHealth = z.object({
  sandbox: z
    .object({
      kind: z.enum(['bubblewrap', 'none']),
      state: z.enum(['untested', 'ready', 'unavailable']),
      reason: z.string().nullable(),
    })
    .describe('`unavailable`: programs do not start. `none`: they have the rights of the gateway.'),
  running,
  containers: z.object({
    engine: z.string().nullable().describe('null: not needed yet, or not found.'),
    reason: z.string().nullable().describe('Why it was not found.'),
    running,
  }),
});

const health = listing(serverHealth, {
  id: ['key', 'organization'],
  sort: ['key', 'state'],
  search: ['key', 'kind', 'state'],
});

const partState = z.enum(['well', 'away']);

export const gatewayHealth = z.object({
  startedAt: time.describe('Of the replica that answers.'),
  memory: z.object({ usedBytes: z.int(), limitBytes: z.int() }),
  database: z.object({ kind: z.string(), state: partState, ms: z.number().describe('It took to answer.') }),
  limiter: z.object({
    ...{ kind: z.string(), state: partState, keys: z.int().nullable() },
    countedAlone: z.int().describe('While the store that replicas share was away, since the start.'),
  }),
  trail: z.object({
    ...{ accepting: z.boolean(), waitingBytes: z.int().describe('Not yet in the database.') },
    ...{ dropped: z.int(), refused: z.int() },
  }),
  replicas: z.array(z.object({ id: z.string(), startedAt: time, seenAt: time })).describe('That were heard of lately.'),
});

export type GatewayHealth = z.output<typeof gatewayHealth>;

export const serverHealthRoutes = {
  getHealth: {
    method: 'GET',
    path: '/status/parts',
    summary: 'How the parts of this gateway are: database, limiter, trail, replicas',
    permission: 'admin:status:read',
    scope: 'platform',
    audit: 'status.parts',
    status: 200,
    input: z.strictObject({}),
    output: gatewayHealth,
  },
  listServerHealth: {
    method: 'GET',
    path: '/servers/health',
    summary: 'How every server is, as the replica that answers knows it',
    permission: 'admin:servers:read',
    scope: 'platform',
    audit: 'server.health',
    status: 200,
    input: z.strictObject({ ...health.input }),
    output: health.output.extend({ runner: runnerHealth.nullable() }),
    list: health.list,
  },
} as const;
