/** One gateway with collections that show the tools of a legacy and of a modern server in every way. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

export const eras = ['legacy', 'modern'] as const;
export type Era = (typeof eras)[number];
export type Answer = { action: 'accept' | 'decline' | 'cancel'; content?: Record<string, string> };

export interface ShapingWorld {
  readonly servers: Readonly<Record<Era, ToolServer>>;
  readonly gateway: RunningGateway;
  readonly key: string;
  readonly adminToken: string;
  connect(connecting: Connecting): Promise<Client>;
  /** Servers as they were, clients gone. */
  reset(): Promise<void>;
  close(): Promise<void>;
}

export async function startShapingWorld(): Promise<ShapingWorld> {
  const servers = {
    legacy: await startToolServer({ era: 'legacy' }),
    modern: await startToolServer({ era: 'modern' }),
  };
  const gateway = await startGateway({ configYaml: yaml(servers) });
  const key = await createKey(gateway);
  const clients = new Set<Client>();
  const world: ShapingWorld = {
    servers,
    gateway,
    key,
    adminToken: readFileSync(join(gateway.dataDir, 'admin.token'), 'utf8').trim(),
    async connect(connecting) {
      const client = await connect(connecting, { gateway, key });
      clients.add(client);
      return client;
    },
    async reset() {
      for (const client of clients) await client.close();
      clients.clear();
      for (const server of Object.values(servers)) {
        server.tools = tools;
        server.calls.length = 0;
        server.run = ({ arguments: args }) => ({ content: [{ type: 'text', text: JSON.stringify(args) }] });
      }
    },
    async close() {
      await world.reset();
      await gateway.stop();
      for (const server of Object.values(servers)) await server.close();
    },
  };
  await world.reset();
  return world;
}

export const text = { type: 'string' };
export const tools = [
  {
    name: 'search',
    description: 'Searches.',
    inputSchema: {
      type: 'object',
      properties: { q: text, tenant: text, limit: { type: 'number', maximum: 500 }, sort: text },
      required: ['q', 'tenant'],
    },
  },
  { name: 'read', description: 'Reads.', inputSchema: { type: 'object', properties: { id: text } } },
  { name: 'close', description: 'Closes.', inputSchema: { type: 'object' }, annotations: { destructiveHint: true } },
  { name: 'drop', description: 'Drops.', inputSchema: { type: 'object', properties: { id: text } } },
  { name: 'secret', description: 'Not for anybody.', inputSchema: { type: 'object' } },
];

const shaped = (server: string) => `
      - server: ${server}
        tools:
          choose: [search, read, close]
          rename: { search: { name: find_tickets, title: Find, description: Finds tickets. } }
          arguments:
            search:
              tenant: { fixed: '\${org.slug}' }
              limit: { maximum: 50, default: 20 }
              sort: { allowed: [new, old], default: new }
          redact: { '*': ['**.phone', 'structuredContent.user.ssn'] }`;

const collectionsOf = (server: string) => `
  - organization: demo
    name: ${server}-desk
    allowedRoles: '*'
    bindings:${shaped(server)}
  - organization: demo
    name: ${server}-careful
    allowedRoles: '*'
    bindings: [{ server: ${server}, tools: { confirm: destructive } }]
  - organization: demo
    name: ${server}-named
    allowedRoles: '*'
    bindings: [{ server: ${server}, tools: { confirm: [drop], arguments: { drop: { id: { allowed: [a, b] } } } } }]
  - organization: demo
    name: ${server}-held
    allowedRoles: '*'
    bindings: [{ server: ${server}, partition: held, tools: { pins: hold } }]
  - organization: demo
    name: ${server}-blocked
    allowedRoles: '*'
    bindings: [{ server: ${server}, partition: blocked, tools: { pins: block } }]`;

const yaml = ({ legacy, modern }: Record<Era, ToolServer>) => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: legacy, title: Legacy, transport: { kind: http, url: '${legacy.url}' } }
  - { key: modern, title: Modern, transport: { kind: http, url: '${modern.url}' } }
collections:${collectionsOf('legacy')}${collectionsOf('modern')}
  - organization: demo
    name: both
    allowedRoles: '*'
    bindings:
      - { server: legacy, prefix: old, tools: { choose: [read, drop] } }
      - { server: modern, tools: { choose: [read, drop], rename: { drop: { name: erase } } } }
  - organization: demo
    name: plain
    allowedRoles: '*'
    names: plain
    bindings:
      - { server: legacy, tools: { hide: [drop, close, secret] } }
      - { server: modern, tools: { hide: [close, secret] } }
  - { organization: demo, name: short, allowedRoles: '*', mode: meta, bindings: [{ server: legacy }, { server: modern }] }
  - { organization: demo, name: roomy, allowedRoles: '*', mode: auto, tokenBudget: 100000, bindings: [{ server: modern }] }
  - { organization: demo, name: tight, allowedRoles: '*', mode: auto, tokenBudget: 50, bindings: [{ server: modern }] }
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 } }
egress: { allow: ['127.0.0.1'] }
`;

export interface Connecting {
  readonly era: Era;
  readonly endpoint: string;
  /** What the person says; undefined: nobody can be asked. */
  readonly answer?: (message: string) => Answer;
}

async function connect(
  { era, endpoint, answer }: Connecting,
  { gateway, key }: Pick<ShapingWorld, 'gateway' | 'key'>,
): Promise<Client> {
  const client = new Client(
    { name: 'shaping', version: '1' },
    {
      capabilities: answer ? { elicitation: { form: {} } } : {},
      versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' },
    },
  );
  if (answer) client.setRequestHandler('elicitation/create', async ({ params }) => answer(params.message));
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  const url = new URL(`${gateway.url}/demo/mcp/${endpoint}`);
  await client.connect(new StreamableHTTPClientTransport(url, { requestInit }));
  return client;
}
