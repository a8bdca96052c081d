/** Meta mode: 1,266 tools of several servers cost a client three short ones, and each of them can be found and called. */
import { readFileSync } from 'node:fs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { estimateTokens } from '#gateway/catalog/meta/tokens.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

interface Tool {
  readonly name: string;
  readonly inputSchema: object;
}

const TOOLS = 1266;
const catalog: readonly { readonly key: string; readonly tools: readonly Tool[] }[] = JSON.parse(
  readFileSync('test/kit/tool-search/servers.json', 'utf8'),
);
const upstreams = 6;
const eras = ['legacy', 'modern'] as const;

let servers: readonly ToolServer[] = [];
let gateway: RunningGateway;
let key: string;

beforeAll(async () => {
  servers = await Promise.all(
    Array.from({ length: upstreams }, (_, i) => startToolServer({ era: i % 2 === 0 ? 'legacy' : 'modern' })),
  );
  const all = catalog.flatMap((server) =>
    server.tools.map((tool) => ({ ...tool, name: `${server.key}_${tool.name}` })),
  );
  const many = Array.from({ length: TOOLS }, (_, i) => {
    const tool = all[i % all.length] ?? special;
    return i < all.length ? tool : { ...tool, name: `${tool.name}_${Math.floor(i / all.length)}` };
  });
  for (const [i, server] of servers.entries()) server.tools = many.filter((_, at) => at % upstreams === i);
  const [first] = servers;
  if (first) first.tools = [...first.tools.slice(1), special];
  gateway = await startGateway({ configYaml: yaml() });
  key = await createKey(gateway);
});
afterAll(async () => {
  await gateway?.stop();
  for (const server of servers) await server.close();
});
beforeEach(() => {
  for (const server of servers) {
    server.calls.length = 0;
    server.run = ({ arguments: args }) => ({ content: [{ type: 'text', text: `did ${JSON.stringify(args)}` }] });
  }
});

const special = {
  name: 'water_the_plants',
  description: 'Waters the plants in the office.',
  inputSchema: {
    type: 'object',
    properties: { litres: { type: 'number' }, where: { type: 'string' }, by: { type: 'string' } },
    required: ['litres', 'by'],
  },
};

const yaml = () => `
organizations: [{ slug: demo, name: Demo }]
servers:
${servers.map(({ url }, i) => `  - { key: s${i}, transport: { kind: http, url: '${url}' } }`).join('\n')}
collections:
  - organization: demo
    name: all
    allowedRoles: '*'
    mode: meta
    bindings:
      - { server: s0, tools: { hide: [gone], arguments: { ${special.name}: { by: { fixed: '\${org.slug}' } } } } }
${servers
  .slice(1)
  .map((_, i) => `      - { server: s${i + 1} }`)
  .join('\n')}
limits: { principal: { requestsPerMinute: 100000 } }
egress: { allow: ['127.0.0.1'] }
`;

describe.each(eras)('a %s client', (era) => {
  let client: Client;
  /** What came over the wire since it was cleared. */
  let wire = '';
  beforeAll(async () => {
    client = new Client(
      { name: 'meta', version: '1' },
      { versionNegotiation: { mode: era === 'modern' ? { pin: '2026-07-28' } : 'legacy' } },
    );
    const fetchAndKeep: typeof fetch = async (...asked) => {
      const response = await fetch(...asked);
      if (asked[1]?.method === 'POST') wire += await response.clone().text();
      return response;
    };
    const url = new URL(`${gateway.url}/demo/mcp/all`);
    const requestInit = { headers: { authorization: `Bearer ${key}` } };
    await client.connect(new StreamableHTTPClientTransport(url, { requestInit, fetch: fetchAndKeep }));
  });
  afterAll(() => client?.close());
  beforeEach(() => {
    wire = '';
  });

  const call = async (name: string, args: Record<string, unknown>) => {
    const result = await client.callTool({ name, arguments: args });
    return { ...result, text: JSON.stringify(result.content) };
  };

  test('pays at most 2,000 tokens for 1,266 tools, and little more to find, read and call one [S3.22]', async () => {
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual(['search_tools', 'describe_tools', 'call_tool']);
    expect(tools[0]?.description).toContain(String(TOOLS));
    const tokens = { list: estimateTokens(wire), bytes: wire.length, search: 0, describe: 0, call: 0 };
    expect(tokens.list).toBeLessThanOrEqual(2000);
    wire = '';
    const found = await call('search_tools', { query: 'give the plants some water' });
    expect(found.text).toContain('s0_water_the_plants(litres: number, where?: string)');
    tokens.search = estimateTokens(wire);
    wire = '';
    const described = await call('describe_tools', { tool_names: ['s0_water_the_plants'] });
    expect(described.text).toContain('Waters the plants in the office.');
    expect(described.text).not.toContain('\\"by\\"');
    tokens.describe = estimateTokens(wire);
    wire = '';
    const args = { litres: 2, where: 'hall' };
    const done = await call('call_tool', { tool_name: 's0_water_the_plants', arguments: args });
    expect(done.text).toContain('did ');
    tokens.call = estimateTokens(wire);
    expect(servers[0]?.calls).toEqual([{ name: special.name, arguments: { ...args, by: 'demo' } }]);
    console.info(`tokens of a ${era} client:`, JSON.stringify(tokens));
  });

  test('calls are recorded as calls of the tool that was meant [S3.22]', async () => {
    await call('call_tool', { tool_name: 's0_water_the_plants', arguments: { litres: 3 } });
    const last = () => gateway.logs().findLast(({ rpcMethod }) => rpcMethod === 'tools/call');
    await expect.poll(last).toMatchObject({ name: 's0_water_the_plants', server: 's0' });
  });

  test('a tool can still be called by its own name', async () => {
    expect((await call('s0_water_the_plants', { litres: 1 })).text).toContain('did ');
  });

  test('a wrong call is answered with the schema, and never sent', async () => {
    const wrong = await call('call_tool', { tool_name: 's0_water_the_plants', arguments: { liters: 2 } });
    expect(wrong.isError).toBe(true);
    expect(wrong.text).toContain('missing: litres');
    expect(wrong.text).toContain('input schema');
    expect(wrong.text).not.toContain('\\"by\\"');
    expect(servers[0]?.calls).toEqual([]);
  });

  test('what the server itself finds wrong comes with the schema, too', async () => {
    const [server] = servers;
    if (!server) throw new Error('no server');
    server.run = () => ({ error: { code: -32602, message: 'litres: not so many' } });
    const wrong = await call('call_tool', { tool_name: 's0_water_the_plants', arguments: { litres: 2000 } });
    expect(wrong).toMatchObject({ isError: true });
    expect(wrong.text).toContain('not so many');
    expect(wrong.text).toContain('input schema');
  });

  test('an unknown tool is answered with those that are like it', async () => {
    const wrong = await call('call_tool', { tool_name: 's0_water_plants', arguments: {} });
    expect(wrong.isError).toBe(true);
    expect(wrong.text).toContain('s0_water_the_plants');
  });

  test.each(['search_tools', 'call_tool', 'gone'])('call_tool calls no %s', async (name) => {
    const wrong = await call('call_tool', { tool_name: name, arguments: { query: 'x' } });
    expect(wrong.isError).toBe(true);
    expect(wrong.text).toContain('Unknown tool');
  });
});
