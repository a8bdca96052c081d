import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { openStream, send } from '#kit/http-client.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openStdioBridge, type StdioBridge, type StdioBridgeOptions } from './stdio-bridge.ts';

const script = fileURLToPath(new URL('../../test/kit/children/mcp.ts', import.meta.url));
const clock = manualClock(0);
const opened: StdioBridge[] = [];
afterEach(() => Promise.all(opened.splice(0).map((bridge) => bridge.close())));

async function open(options: Partial<StdioBridgeOptions> = {}, time = systemClock): Promise<StdioBridge> {
  const bridge = await openStdioBridge(
    {
      ...{ host: '127.0.0.1', port: 0, command: process.execPath, args: [script], env: {}, idleMs: 300_000 },
      ...{ token: undefined, ...options },
    },
    { clock: time, log: silentLog, env: { ...process.env, API_KEY: 'of the shell' } },
  );
  opened.push(bridge);
  return bridge;
}

const message = (id: number, method: string, params: object = {}) => ({ jsonrpc: '2.0', id, method, params });
const hello = message(0, 'initialize', {
  ...{ protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
});

async function begin({ url }: StdioBridge, headers: Record<string, string> = {}) {
  const { status, headers: answered } = await send(url, { body: hello, headers });
  expect(status).toBe(200);
  const session = { 'mcp-session-id': String(answered['mcp-session-id']), ...headers };
  return {
    session,
    call: (name: string, args: object = {}) =>
      send(url, { headers: session, body: message(1, 'tools/call', { name, arguments: args }) }),
    send: (body: object) => send(url, { headers: session, body }),
    end: () => send(url, { method: 'DELETE', headers: session }),
  };
}

describe('sessions', () => {
  test('initialize begins one, with a child of its own; it ends with DELETE [S1.31] [X1.5]', async () => {
    const bridge = await open();
    const [one, two] = [await begin(bridge), await begin(bridge)];
    const [first, second, again] = [await one.call('pid'), await two.call('pid'), await one.call('pid')];
    expect(first.text).toBe(again.text);
    expect(first.text).not.toBe(second.text);
    expect((await one.end()).status).toBe(200);
    expect(bridge.sessions).toBe(1);
    const gone = await one.call('pid');
    expect([gone.status, gone.json]).toMatchObject([404, { id: 1, error: { code: -32001 } }]);
    expect((await two.call('pid')).text).toBe(second.text);
  });

  test('without a session 400, with an unknown one 404, both as JSON-RPC errors; no redirect for a slash [S1.31] [X1.5]', async () => {
    const { url } = await open();
    for (const address of [url, `${url}/`]) {
      expect((await send(address, { body: hello })).status).toBe(200);
      const without = await send(address, { body: message(7, 'tools/list') });
      expect([without.status, without.json]).toMatchObject([400, { id: 7, error: { code: -32000 } }]);
      const unknown = { 'mcp-session-id': 'nobodys' };
      expect((await send(address, { body: message(7, 'tools/list'), headers: unknown })).status).toBe(404);
      expect((await send(address, { method: 'GET', headers: unknown })).status).toBe(404);
      expect((await send(address, { method: 'DELETE' })).status).toBe(400);
    }
    expect((await send(new URL('/other', url).href, { body: hello })).status).toBe(404);
  });

  test('one that nobody uses for the idle time ends at the next sweep; there are so many at most [S1.31] [X1.5]', async () => {
    const bridge = await open({ idleMs: 300_000, sweepMs: 10, maxSessions: 2 }, clock);
    const { call } = await begin(bridge);
    await begin(bridge);
    const full = await send(bridge.url, { body: hello });
    expect([full.status, Number(full.headers['retry-after']) > 0]).toEqual([503, true]);
    clock.advance(299_000);
    await call('pid');
    clock.advance(2000);
    await expect.poll(() => bridge.sessions).toBe(1);
    expect((await call('pid')).status).toBe(200);
    expect((await send(bridge.url, { body: hello })).status).toBe(200);
  });
});

describe('what passes', () => {
  test('a notification is a notification: 202 at once, and no id is made up for it [X1.5]', async () => {
    const client = await begin(await open({ requestMs: 5000 }));
    const noted = await client.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } });
    expect([noted.status, noted.text]).toEqual([202, '']);
    expect((await client.call('count')).json).toMatchObject({ id: 1, result: { content: [{ text: '1' }] } });
  });

  test('what the server asks and says reaches its client, on the call and on the GET stream [X1.5]', async () => {
    const bridge = await open();
    const client = await begin(bridge);
    const slow = message(5, 'tools/call', { name: 'slow', arguments: {}, _meta: { progressToken: 'p' } });
    expect((await client.send(slow)).text).toMatch(/notifications\/progress[\s\S]*slow done/);
    const stream = await openStream(bridge.url, { method: 'GET', headers: client.session });
    await client.call('notify', { method: 'notifications/tools/list_changed' });
    expect((await stream.next())?.data).toContain('list_changed');
    stream.close();
  });

  test('a request without an answer ends with an error after its time [S1.31]', async () => {
    const client = await begin(await open({ requestMs: 150 }));
    const { status, json } = await client.call('hang');
    expect([status, json]).toMatchObject([504, { id: 1, error: { code: expect.any(Number) } }]);
  });

  test('the child has the variables that it was given, not those of the shell, and its stderr never blocks it [X1.5]', async () => {
    const bare = await begin(await open());
    expect((await bare.call('env')).json).toMatchObject({ result: { content: [{ text: '' }] } });
    const given = await begin(await open({ env: { API_KEY: 'given' } }));
    expect((await given.call('env')).json).toMatchObject({ result: { content: [{ text: 'given' }] } });
    expect((await given.call('stderr')).json).toMatchObject({ result: { content: [{ text: 'still here' }] } });
  });
});

describe('who may ask', () => {
  test('pages of elsewhere may not, by Origin or by DNS rebinding [S1.38] [X1.5]', async () => {
    const { url } = await open();
    expect((await send(url, { body: hello, headers: { origin: 'https://evil.example' } })).status).toBe(403);
    expect((await send(url, { body: hello, headers: { host: 'evil.example' } })).status).toBe(421);
    const { status } = await send(url, { body: hello, headers: { origin: 'http://localhost:6274' } });
    expect(status).toBe(200);
    expect((await send(url, { body: 'x', headers: { 'content-type': 'text/plain' } })).status).toBe(415);
    expect((await send(url, { body: [hello] })).status).toBe(400);
    expect((await send(url, { body: '{' })).status).toBe(400);
    expect((await send(url, { method: 'PUT', body: hello })).status).toBe(405);
  });

  test('beyond this machine it wants a token, and then nothing works without [S1.31]', async () => {
    await expect(open({ host: '0.0.0.0' })).rejects.toThrow('give --token');
    const bridge = await open({ token: new Secret('a-token-for-the-bridge') });
    const refused = await send(bridge.url, { body: hello });
    expect([refused.status, refused.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect((await send(bridge.url, { body: hello, headers: { authorization: 'Bearer wrong' } })).status).toBe(401);
    await begin(bridge, { authorization: 'Bearer a-token-for-the-bridge' });
  });
});
