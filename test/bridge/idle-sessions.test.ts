/** What sessions cost that nobody uses: a session of the legacy era is sealed in its id, so nothing has to be kept. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, send } from '#kit/http-client.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { residentBytes } from '#kit/process.ts';

const sessions = 15_000;
const limits =
  'limits: { principal: { requestsPerMinute: 1000000, concurrentCalls: 1000 }, organization: { requestsPerMinute: 1000000, concurrentCalls: 1000 } }';
let server: ConformanceServer;
let gateway: RunningGateway;
let database: TestDatabase;
let headers: Record<string, string>;

beforeAll(async () => {
  server = await startConformanceServer({ eras: 'modern' });
  database = await createTestDatabase();
  gateway = await startGateway({
    quiet: true,
    env: { DATABASE_URL: database.url, ENCRYPTION_KEY: 'a-root-secret-of-this-very-test-alone' },
    configYaml: `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: one, transport: { kind: http, url: '${server.url}' } }]
enablements: [{ organization: acme, server: one, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
${limits}
`,
  });
  headers = bearer(await createKey(gateway, 'acme'));
});
afterAll(async () => {
  await gateway?.stop();
  await server?.close();
  await database?.close();
});

async function initialize(): Promise<string> {
  const answer = await send(`${gateway.url}/acme/mcp`, {
    headers,
    body: {
      jsonrpc: '2.0',
      id: 1,
      method: 'initialize',
      params: {
        protocolVersion: '2025-11-25',
        capabilities: { elicitation: {} },
        clientInfo: { name: 'idle', version: '1' },
      },
    },
  });
  expect(answer.status).toBe(200);
  return String(answer.headers['mcp-session-id']);
}

async function open(count: number): Promise<string> {
  let last = '';
  for (let n = 0; n < count; n += 50) last = (await Promise.all(Array.from({ length: 50 }, initialize)))[0] ?? '';
  return last;
}

test('15,000 idle sessions cost at most 100 MB, and a client that forgets its session each time costs nothing more', async () => {
  await open(2000);
  const before = residentBytes(gateway.pid);
  const kept = await open(sessions);
  const grown = residentBytes(gateway.pid) - before;
  expect(grown).toBeLessThan(100e6);
  const body = { jsonrpc: '2.0', id: 2, method: 'ping' };
  const inSession = { ...headers, 'mcp-session-id': kept, 'mcp-protocol-version': '2025-11-25' };
  expect((await send(`${gateway.url}/acme/mcp`, { headers: inSession, body })).json).toMatchObject({ result: {} });
  expect(server.sessions()).toBe(0);
}, 240_000);
