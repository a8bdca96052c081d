/** Which revisions are spoken at `/mcp`, with one server behind it and with several. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { call, send } from '#kit/http-client.ts';
import { answerMcp, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

let world: World;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world?.close());
beforeEach(() => world.upstream.clear());

/** With sessions, as servers of that time have them. */
const sessionful: Script = (request, res) => {
  if (request.method === 'DELETE') return void res.writeHead(200).end();
  if (request.rpc.method === 'initialize') res.setHeader('mcp-session-id', 'upstream-session');
  return answerMcp(request, res);
};

const hello = (protocolVersion: string) => ({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion, capabilities: {}, clientInfo: { name: 'curl', version: '1' } },
});

test('initialize of 2024-11-05 with a bearer works at /mcp itself, and calls after it [S2.10]', async () => {
  for (const path of ['/mcp', '/mcp/']) {
    const answer = await send(world.gateway.url + path, { headers: world.auth, body: hello('2024-11-05') });
    expect(answer.status).toBe(200);
    expect(answer.json).toMatchObject({ id: 1, result: { protocolVersion: '2024-11-05' } });
    const session = answer.headers['mcp-session-id'];
    const headers = { ...world.auth, ...(session !== undefined && { 'mcp-session-id': String(session) }) };
    const called = await send(world.gateway.url + path, { headers, body: call('plain_echo', { a: 1 }) });
    expect(called.json).toMatchObject({ result: { content: [{ text: '{"a":1}' }] } });
  }
  const stranger = await send(`${world.gateway.url}/mcp`, { body: hello('2024-11-05') });
  expect(stranger.status).toBe(401);
});

describe.each(['/demo/mcp/open', '/demo/mcp', '/mcp'])('at %s', (path) => {
  const ask = (body: unknown, headers: Record<string, string> = {}) =>
    send(world.gateway.url + path, { headers: { ...world.auth, ...headers }, body });
  const list = { jsonrpc: '2.0', id: 2, method: 'tools/list' };

  test.each(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])(
    'a session of %s is opened, used, refused where its id is not ours, and ended [S1.30]',
    async (version) => {
      world.upstream.script(sessionful);
      const opened = await ask(hello(version));
      expect(opened.json).toMatchObject({ result: { protocolVersion: version } });
      const id = String(opened.headers['mcp-session-id']);
      expect(id).toMatch(/^[\x21-\x7e]{22,}$/);
      const session = { 'mcp-session-id': id, 'mcp-protocol-version': version };
      expect((await ask({ jsonrpc: '2.0', method: 'notifications/initialized' }, session)).status).toBe(202);
      const listed = await ask(list, session);
      expect([listed.status, listed.text.includes('retrieve')]).toEqual([200, true]);
      const foreign = await ask(list, { ...session, 'mcp-session-id': 'nobodys-session' });
      expect([foreign.status, foreign.json]).toMatchObject([404, { error: { code: -32001 } }]);
      const ended = await send(world.gateway.url + path, { method: 'DELETE', headers: { ...world.auth, ...session } });
      expect(ended.status).toBeLessThan(300);
      expect((await ask(list, session)).status).toBe(404);
    },
  );

  test.each(['1999-01-01', '2025-06-19', 'latest'])(
    'the version %s in the header is 400, and the answer names those that are spoken [S1.30]',
    async (version) => {
      const answer = await ask(list, { 'mcp-protocol-version': version });
      expect(answer.status).toBe(400);
      for (const spoken of ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])
        expect(answer.text).toContain(spoken);
      expect(world.upstream.bytes().length).toBe(0);
    },
  );
});
