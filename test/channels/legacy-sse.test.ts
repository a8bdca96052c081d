import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, type EventStream, initialize, openStream, send } from '#kit/http-client.ts';
import { answerMcp, event, hang, openSse, type Script } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const extraYaml = `
limits:
  principal: { requestsPerMinute: 100000, concurrentCalls: 3, streams: 2 }
  organization: { requestsPerMinute: 100000 }
  request: { mcpBytes: 20000 }
`;
const list = (id: unknown) => ({ jsonrpc: '2.0', id, method: 'tools/list' });

const sessionful: Script = (request, res) => {
  if (request.method === 'DELETE') return void res.writeHead(200).end();
  if (request.rpc.method === 'initialize') res.setHeader('mcp-session-id', 'upstream-session');
  return answerMcp(request, res);
};

describe('HTTP+SSE of 2024-11-05', () => {
  let world: World;
  let url = '';
  beforeAll(async () => {
    world = await startWorld({ extraYaml });
    url = `${world.url('open')}/sse`;
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.script();
    world.upstream.clear();
  });

  async function openChannel(headers: Record<string, string> = world.auth, at = url) {
    const stream = await openStream(at, { method: 'GET', headers });
    expect(stream.status).toBe(200);
    const endpoint = await stream.next();
    expect(endpoint?.event).toBe('endpoint');
    return { stream, post: `${world.gateway.url}${endpoint?.data}` };
  }
  const closeAll = (...streams: readonly EventStream[]) => {
    for (const stream of streams) stream.close();
  };

  test('the official client lists, calls, and is asked in the middle of a call [S4.9]', async () => {
    let answered: (text: string) => void = () => {};
    const answer = new Promise<string>((resolve) => {
      answered = resolve;
    });
    world.upstream.script(async (request, res) => {
      if (request.rpc.id === 'q-1') {
        answered(JSON.stringify(request.rpc.result));
        return void res.writeHead(202).end();
      }
      if (request.rpc.params?.name !== 'ask') return sessionful(request, res);
      openSse(res);
      const params = { message: 'who?', requestedSchema: { type: 'object', properties: {} } };
      res.write(event({ jsonrpc: '2.0', id: 'q-1', method: 'elicitation/create', params }));
      const text = await answer;
      res.end(event({ jsonrpc: '2.0', id: request.rpc.id, result: { content: [{ type: 'text', text }] } }));
    });
    const client = new Client({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } });
    client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ada' } }));
    const transport = new SSEClientTransport(new URL(url), { requestInit: { headers: world.auth } });
    // Its own types differ under exactOptionalPropertyTypes.
    await client.connect(transport as never);
    expect((await client.listTools()).tools).toHaveLength(2);
    const asked = await client.callTool({ name: 'ask', arguments: {} });
    expect(asked.content).toEqual([{ type: 'text', text: '{"action":"accept","content":{"name":"Ada"}}' }]);
    expect(world.upstream.requests.at(-1)?.headers['mcp-session-id']).toBe('upstream-session');
    await client.close();
    const ended = await world.upstream.waitFor(({ method }) => method === 'DELETE');
    expect(ended.headers['mcp-session-id']).toBe('upstream-session');
  });

  test('the address to post to cannot be guessed, and a POST is 202 before the answer is there', async () => {
    const [one, two] = [await openChannel(), await openChannel()];
    expect(one.post).toMatch(/\/messages\?sessionId=[\w-]{32}$/);
    expect(one.post).not.toBe(two.post);
    world.upstream.script(hang);
    const answer = await send(one.post, { headers: world.auth, body: list('slow') });
    expect(answer).toMatchObject({ status: 202, text: 'Accepted' });
    closeAll(one.stream, two.stream);
  });

  test('nobody else gets a word into the stream: strangers 401, others 404, unknown and ended sessions 404', async () => {
    const { stream, post } = await openChannel();
    const other = bearer(await createKey(world.gateway));
    const unknown = { code: -32001, message: 'Session not found' };
    expect((await send(post, { body: list('foreign') })).status).toBe(401);
    for (const [to, headers] of [
      [post, other],
      [`${world.gateway.url}/messages?sessionId=${'x'.repeat(32)}`, world.auth],
      [`${world.gateway.url}/messages`, world.auth],
    ] as const) {
      const answer = await send(to, { headers, body: list('foreign') });
      expect(answer.status).toBe(404);
      expect(answer.json).toMatchObject({ error: unknown });
    }
    expect(world.upstream.requests.filter(({ rpc }) => rpc.id === 'foreign')).toEqual([]);
    stream.close();
    await expect.poll(async () => (await send(post, { headers: world.auth, body: list('foreign') })).status).toBe(404);
  });

  test('whoever is refused hears what a POST to the endpoint would tell them [E13]', async () => {
    for (const headers of [{}, { ...world.auth, origin: 'https://evil.example' }, { ...world.auth, host: 'evil' }]) {
      const posted = await send(world.url('open'), { headers, body: list(1) });
      const refused = await send(url, { method: 'GET', headers });
      expect(refused).toMatchObject({ status: posted.status, text: posted.text });
      expect(refused.headers['www-authenticate']).toBe(posted.headers['www-authenticate']);
    }
  });

  test('what is refused before it is let in answers the POST, what comes later comes on the stream', async () => {
    const { stream, post } = await openChannel();
    const wrongType = { ...world.auth, 'content-type': 'text/plain' };
    expect((await send(post, { headers: wrongType, body: list(1) })).status).toBe(415);
    expect((await send(post, { headers: world.auth, body: [list(1)] })).status).toBe(400);
    expect((await send(post, { headers: world.auth, body: `"${'x'.repeat(30_000)}"` })).status).toBe(413);
    world.upstream.script((_request, res) => void res.destroy());
    expect((await send(post, { headers: world.auth, body: list('gone') })).status).toBe(202);
    expect(await stream.nextJson()).toMatchObject({ id: 'gone', error: { code: -32603 } });
    world.upstream.script(hang);
    for (let id = 1; id <= 4; id++) await send(post, { headers: world.auth, body: call('echo', {}, id) });
    expect(await stream.nextJson()).toMatchObject({ id: 4, error: { message: 'Too many concurrent calls' } });
    stream.close();
  });

  test('line breaks of an answer stay inside its event', async () => {
    const { stream, post } = await openChannel();
    world.upstream.script((request, res) => {
      res.writeHead(200, { 'content-type': 'application/json' });
      res.end(`{\r\n"jsonrpc":"2.0",\n"id":${JSON.stringify(request.rpc.id)},\r"result":{"x":"a\\n\\ndata: {}"}}`);
    });
    await send(post, { headers: world.auth, body: list(1) });
    expect(await stream.nextJson()).toEqual({ jsonrpc: '2.0', id: 1, result: { x: 'a\n\ndata: {}' } });
    stream.close();
  });

  test('what a message leaves in the log is what a POST to the endpoint leaves', async () => {
    const lines = () => world.gateway.logs().filter(({ name }) => name === 'audited');
    const body = { ...call('audited'), params: { name: 'audited', arguments: {} } };
    await send(world.url('open'), { headers: world.auth, body });
    const { stream, post } = await openChannel();
    await send(post, { headers: world.auth, body });
    await stream.nextJson();
    await expect.poll(() => lines().length).toBe(2);
    const [first, second] = lines();
    for (const field of ['method', 'path', 'status', 'org', 'subject', 'endpoint', 'server', 'rpcMethod', 'reason'])
      expect(second?.[field], field).toEqual(first?.[field]);
    stream.close();
  });

  test('the stream is one of its principal’s, and other methods than GET are refused', async () => {
    const headers = bearer(await createKey(world.gateway));
    const [one, two] = [await openChannel(headers), await openChannel(headers)];
    expect((await openStream(url, { method: 'GET', headers })).status).toBe(429);
    closeAll(one.stream, two.stream);
    expect((await send(url, { headers, body: initialize() })).status).toBe(405);
  });

  test('who is revoked has no stream a second later [B11]', async () => {
    const made = await world.gateway.cli('key', 'create', '--org', 'demo', '--name', 'short-lived');
    const { id, key } = made as { readonly id: string; readonly key: string };
    const { stream } = await openChannel(bearer(key));
    await world.gateway.cli('key', 'revoke', id);
    const since = performance.now();
    expect(await stream.next()).toBeUndefined();
    expect(performance.now() - since).toBeLessThan(1000);
  });

  test('the addresses of old clients lead to what the MCP paths beside them lead to', async () => {
    for (const [old, now] of [
      ['/sse', '/mcp'],
      ['/demo/sse', '/demo/mcp'],
      ['/mcp/sse', '/mcp'],
      ['/mcp/missing/sse', '/mcp/missing'],
    ]) {
      const there = await openStream(`${world.gateway.url}${now}`, { method: 'GET', headers: world.auth });
      const here = await openStream(`${world.gateway.url}${old}`, { method: 'GET', headers: world.auth });
      // Where the endpoint is one, the stream opens; else both say the same.
      if (there.status === 404) expect(here.status).toBe(404);
      else expect(here.status).toBe(200);
      closeAll(here, there);
    }
  });
});
