import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { subjectConfig } from '#kit/conformance-subject.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, initialize, openStream, send } from '#kit/http-client.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { startShim } from '#kit/shim.ts';

describe('two replicas on one PostgreSQL', () => {
  let database: TestDatabase;
  let fixture: ConformanceServer;
  let one: RunningGateway;
  let two: RunningGateway;
  let key: string;
  beforeAll(async () => {
    [database, fixture] = await Promise.all([createTestDatabase(), startConformanceServer()]);
    const options = {
      configYaml: subjectConfig(fixture.url),
      env: { DATABASE_URL: database.url, ENCRYPTION_KEY: 'a-root-secret-that-both-replicas-share' },
    };
    one = await startGateway(options);
    two = await startGateway(options);
    key = await createKey(one);
  });
  afterAll(async () => {
    await Promise.all([one?.stop(), two?.stop()]);
    await fixture?.close();
    await database?.close();
  });

  const url = (gateway: RunningGateway) => `${gateway.url}/demo/mcp/everything`;

  test('a client whose requests go to both in turn has one whole session, with questions in the middle of calls', async () => {
    const shim = await startShim([url(one), url(two)], bearer(key));
    const client = new Client({ name: 't', version: '1' }, { capabilities: { elicitation: {}, sampling: {} } });
    client.setRequestHandler(ElicitRequestSchema, async ({ params }) => ({
      action: 'accept',
      content: { username: params.message, email: 'a@example.org' },
    }));
    const transport = new StreamableHTTPClientTransport(new URL(shim.url));
    await client.connect(transport);
    for (let i = 0; i < 6; i++) {
      const { content } = await client.callTool({ name: 'test_elicitation', arguments: { message: `round-${i}` } });
      expect(JSON.stringify(content)).toContain(`round-${i}`);
    }
    expect(Math.min(...shim.served)).toBeGreaterThan(5);
    await transport.terminateSession();
    await client.close();
    await shim.close();
  });

  async function openSession(gateway: RunningGateway) {
    const answer = await send(url(gateway), { headers: bearer(key), body: initialize({ elicitation: {} }) });
    const headers = {
      ...bearer(key),
      'mcp-session-id': String(answer.headers['mcp-session-id']),
      'mcp-protocol-version': '2025-11-25',
    };
    await send(url(gateway), { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    return headers;
  }

  test('the answer to a question of a call at one replica may arrive at the other', async () => {
    const headers = await openSession(one);
    const stream = await openStream(url(one), { headers, body: call('test_elicitation', { message: 'who?' }, 5) });
    let question: { readonly id?: unknown; readonly method?: unknown } = {};
    while (question.method !== 'elicitation/create') {
      const message = await stream.next();
      if (!message) throw new Error('no question');
      if (message.data) question = JSON.parse(message.data);
    }
    const body = {
      jsonrpc: '2.0',
      id: question.id,
      result: { action: 'accept', content: { username: 'ada', email: 'b@example.org' } },
    };
    expect((await send(url(two), { headers, body })).status).toBe(202);
    expect(JSON.stringify(await stream.nextJson())).toContain('ada');
  });

  test('a session that was ended at one replica is gone at the other within a second', async () => {
    const headers = await openSession(one);
    expect((await send(url(two), { headers, body: call('test_simple_text', {}) })).status).toBe(200);
    expect((await send(url(one), { method: 'DELETE', headers })).status).toBeLessThan(300);
    await expect
      .poll(async () => (await send(url(two), { headers, body: call('test_simple_text', {}) })).status, {
        timeout: 1000,
      })
      .toBe(404);
  });

  test('a key that was revoked at one replica is refused by the other within a second', async () => {
    const made = await one.cli('key', 'create', '--org', 'demo', '--name', 'short-lived');
    const { key: doomed, id } = made as { readonly key: string; readonly id: string };
    const status = async () =>
      (await send(url(two), { headers: bearer(doomed), body: call('test_simple_text', {}) })).status;
    // The answer itself does not matter here (no session), only whether the key opens the door.
    await expect.poll(status).not.toBe(401);
    await one.cli('key', 'revoke', id);
    await expect.poll(status, { timeout: 1000 }).toBe(401);
  });
});
