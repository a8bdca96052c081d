/** What is said where nobody can answer. */
import { afterEach, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, send } from '#kit/http-client.ts';

let gateway: RunningGateway;
afterEach(() => gateway?.stop());

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Asks at `/acme/mcp`, as a client of the modern era. */
async function open(yaml: string) {
  gateway = await startGateway({ configYaml: `organizations: [{ slug: acme, name: Acme }]\n${yaml}` });
  const headers = { ...bearer(await createKey(gateway, 'acme')), 'mcp-protocol-version': '2026-07-28' };
  return (method: string, params: Record<string, unknown> = {}) => {
    const mirrors: Record<string, string> = { 'mcp-method': method };
    if (params.name !== undefined) mirrors['mcp-name'] = String(params.name);
    const body = { jsonrpc: '2.0', id: 1, method, params: { ...params, _meta: meta } };
    return send(`${gateway.url}/acme/mcp`, { headers: { ...headers, ...mirrors }, body });
  };
}

const away = `
servers: [{ key: away, title: Away, transport: { kind: http, url: 'http://127.0.0.1:1/mcp' } }]
egress: { allow: ['127.0.0.1'] }
`;

test('a method or a call that nobody can answer is named as a capability; lists are empty [S4.10] [S4.20]', async () => {
  const ask = await open(away);
  const unknown = await ask('movies/watch');
  expect(unknown.status).toBe(404);
  expect(unknown.json).toMatchObject({ error: { code: -32601, data: 'No server found for capability: movies/watch' } });
  expect((await ask('tools/call', { name: 'away_x' })).json).toMatchObject({
    error: { code: -32601, data: 'No server found for capability: tools/call' },
  });
  expect((await ask('tools/list')).json).toMatchObject({ result: { tools: [] } });
});

test('a server that is away is named so [S4.10]', async () => {
  const ask = await open(`${away}enablements: [{ organization: acme, server: away, allMembers: true }]\n`);
  expect((await ask('tools/call', { name: 'away_x' })).json).toMatchObject({
    error: { code: -32603, data: 'No healthy server instances available for: tools/call' },
  });
  expect((await ask('tools/list')).json).toMatchObject({
    result: { tools: [], _meta: { 'io.gatehouse/missing': ['away'] } },
  });
});
