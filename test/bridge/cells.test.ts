/** A client and a server of any two eras, with the official SDKs on both ends: the server knows nothing of the client's era. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';

const eras = ['legacy', 'modern'] as const;
type Era = (typeof eras)[number];

let servers: Record<Era, ConformanceServer>;
let gateway: RunningGateway;
let key: string;

beforeAll(async () => {
  servers = {
    legacy: await startConformanceServer({ eras: 'legacy' }),
    modern: await startConformanceServer({ eras: 'modern' }),
  };
  gateway = await startGateway({ configYaml: yaml(servers.legacy.url, servers.modern.url) });
  key = await createKey(gateway);
});
afterAll(async () => {
  await gateway?.stop();
  for (const server of Object.values(servers ?? {})) await server.close();
});

const yaml = (legacy: string, modern: string) => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: legacy, title: Legacy, transport: { kind: http, url: '${legacy}' } }
  - { key: modern, title: Modern, transport: { kind: http, url: '${modern}' } }
collections:
  - { organization: demo, name: both, allowedRoles: '*', bindings: [{ server: legacy }, { server: modern }] }
enablements:
  - { organization: demo, server: legacy, allMembers: true }
  - { organization: demo, server: modern, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;

async function connect(era: Era, path: string): Promise<Client> {
  const client = new Client(
    { name: 'cells', version: '1' },
    {
      capabilities: { elicitation: { form: {} }, sampling: {}, roots: {} },
      versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' },
    },
  );
  client.setRequestHandler('elicitation/create', async () => ({
    action: 'accept',
    content: { username: 'ann', email: 'ann@example.com' },
  }));
  const requestInit = { headers: { authorization: `Bearer ${key}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}${path}`), { requestInit }));
  return client;
}

describe.each(eras)('a %s client', (client) => {
  describe.each(eras)('and a %s server', (server) => {
    let connected: Client;
    beforeAll(async () => {
      connected = await connect(client, `/demo/mcp/${server}`);
    });
    afterAll(() => connected?.close());

    test('tools are listed and called [S1.32]', async () => {
      const { tools } = await connected.listTools();
      expect(tools.map(({ name }) => name)).toContain('test_simple_text');
      const result = await connected.callTool({ name: 'test_simple_text', arguments: {} });
      expect(JSON.stringify(result.content)).toContain('text');
    });

    test('a resource is read', async () => {
      const { resources } = await connected.listResources();
      const [first] = resources;
      const { contents } = await connected.readResource({ uri: first?.uri ?? '' });
      expect(contents[0]?.uri).toBe(first?.uri);
    });
  });

  test('both servers are one at /mcp', async () => {
    const connected = await connect(client, '/mcp');
    const { tools } = await connected.listTools();
    const names = tools.map(({ name }) => name);
    expect(names).toContain('legacy_test_simple_text');
    expect(names).toContain('modern_test_simple_text');
    for (const name of ['legacy_test_simple_text', 'modern_test_simple_text'])
      expect((await connected.callTool({ name, arguments: {} })).content).toHaveLength(1);
    await connected.close();
  });
});

test('a modern client answers a question that a legacy server asks in the middle of a call', async () => {
  const connected = await connect('modern', '/demo/mcp/legacy');
  const result = await connected.callTool({ name: 'test_elicitation', arguments: { message: 'Who?' } });
  expect(JSON.stringify(result.content)).toContain('ann@example.com');
  await connected.close();
});
