/** What servers say unasked, and who hears it: official SDKs on both ends, one gateway between. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, initialize, openStream, send } from '#kit/http-client.ts';
import { encodeUri } from '#mcp/bridge/uris.ts';
import { connect, type Listener, listenBody, meta, pause, subscriptionId } from './listeners.ts';
import { type Era, startTalker, type Talker } from './talkers.ts';

const eras = ['legacy', 'modern'] as const;
const servers = ['legacy', 'modern', 'secret', 'mute', 'plain'] as const;
const talkers: Record<string, Talker> = {};
let gateway: RunningGateway;
let key: string;
let staffKey: string;
const opened: Listener[] = [];

const talker = (name: string): Talker => {
  const found = talkers[name];
  if (!found) throw new Error(name);
  return found;
};

beforeAll(async () => {
  talkers.legacy = await startTalker('legacy');
  talkers.modern = await startTalker('modern');
  talkers.secret = await startTalker('legacy');
  talkers.mute = await startTalker('legacy', { noStream: true });
  talkers.plain = await startTalker('legacy', { capabilities: { tools: {}, resources: {} } });
  gateway = await startGateway({ configYaml: yaml() });
  key = await createKey(gateway, 'acme');
  staffKey = await createKey(gateway, 'acme', '--roles', 'staff');
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  for (const one of Object.values(talkers)) await one.close();
});
afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

const yaml = (maxAge = '1h') => `
organizations: [{ slug: acme, name: Acme }]
servers:
${servers.map((name) => `  - { key: ${name}, title: ${name}, transport: { kind: http, url: '${talker(name).url}' } }`).join('\n')}
collections:
  - { organization: acme, name: both, allowedRoles: '*', bindings: [{ server: legacy }, { server: modern }] }
  - { organization: acme, name: mine, allowedRoles: '*', bindings: [{ server: mute }, { server: plain }] }
enablements:
  - { organization: acme, server: legacy, allMembers: true }
  - { organization: acme, server: modern, allMembers: true }
  - { organization: acme, server: secret, allowedRoles: [staff] }
  - { organization: acme, server: mute, allowedRoles: [none] }
  - { organization: acme, server: plain, allowedRoles: [none] }
limits:
  principal: { requestsPerMinute: 100000, streams: 20 }
  organization: { requestsPerMinute: 100000 }
  timeouts: { streamMaxAgeMs: ${maxAge} }
egress: { allow: ['127.0.0.1'] }
`;

async function open(era: Era, path: string, as = key): Promise<Listener> {
  const one = await connect(era, { url: `${gateway.url}${path}`, key: as });
  opened.push(one);
  return one;
}

const everything = { toolsListChanged: true, promptsListChanged: true, resourcesListChanged: true };

/** A client that hears: what is said from now on is not missed. */
async function listen(era: Era, path: string, uris: readonly string[] = [], as = key): Promise<Listener> {
  const one = await open(era, path, as);
  if (era === 'modern') await one.client.listen({ ...everything, resourceSubscriptions: [...uris] });
  else for (const uri of uris) await one.client.subscribeResource({ uri });
  return one;
}

/** Says it until it is heard: legacy clients cannot tell when they hear. */
async function warm(one: Listener, name: string, uri = 'test://warm'): Promise<void> {
  await expect
    .poll(
      () => {
        talker(name).updated('test://warm');
        return one.uris().includes(uri);
      },
      { timeout: 8000, interval: 50 },
    )
    .toBe(true);
  await pause(50);
  one.heard.length = 0;
}

/** Long enough for whatever was on its way. */
const calm = () => pause(500);

const cells = [
  { path: '/acme/mcp/', prefix: (_server: string) => '' },
  { path: '/acme/mcp/both', prefix: (server: string) => server },
  { path: '/mcp', prefix: (server: string) => server },
];

describe.each(eras)('a %s client', (client) => {
  describe.each(eras)('and a %s server', (server) => {
    test.each(cells)('hear of lists and resources that change, once, at $path', async ({ path, prefix }) => {
      const at = path.endsWith('/') ? path + server : path;
      const mapped = (uri: string) => encodeUri(prefix(server), uri);
      const one = await listen(client, at, [mapped('test://one'), mapped('test://warm')]);
      await one.client.listTools();
      await warm(one, server, mapped('test://warm'));
      talker(server).toolsChanged();
      talker(server).updated('test://one');
      talker(server).updated('test://two');
      await expect.poll(() => one.methods()).toContain('notifications/tools/list_changed');
      await calm();
      expect([...one.methods()].sort()).toEqual([
        'notifications/resources/updated',
        'notifications/tools/list_changed',
      ]);
      expect(one.uris()).toEqual([mapped('test://one')]);
    });
  });

  test('subscribes later, and unsubscribes, while its stream is open', async () => {
    if (client === 'modern') return;
    const [one, other] = [await listen(client, '/acme/mcp/both'), await listen(client, '/acme/mcp/both')];
    for (const server of eras) {
      const uri = encodeUri(server, 'test://warm');
      await one.client.subscribeResource({ uri });
      await warm(one, server, uri);
      await one.client.unsubscribeResource({ uri });
      await expect
        .poll(async () => {
          one.heard.length = 0;
          talker(server).updated('test://warm');
          await pause(100);
          return one.uris();
        })
        .toEqual([]);
    }
    expect(other.uris()).toEqual([]);
    await expect.poll(() => talker('legacy').subscribed()).toEqual([]);
  });

  test('hears nothing of servers that it may not use [C11]', async () => {
    const stranger = await listen(client, '/mcp', [encodeUri('legacy', 'test://warm')]);
    const member = await listen(client, '/mcp', [encodeUri('secret', 'test://warm')], staffKey);
    await warm(stranger, 'legacy', encodeUri('legacy', 'test://warm'));
    await warm(member, 'secret', encodeUri('secret', 'test://warm'));
    talker('secret').promptsChanged();
    await expect.poll(() => member.methods()).toContain('notifications/prompts/list_changed');
    await calm();
    expect(stranger.methods()).not.toContain('notifications/prompts/list_changed');
    await expect(stranger.client.readResource({ uri: encodeUri('secret', 'test://one') })).rejects.toThrow();
  });
});

const modernHeaders = (method: string, as = key) => ({
  ...bearer(as),
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': method,
});
interface Listening {
  readonly id?: unknown;
  readonly as?: string;
  readonly at?: RunningGateway;
}

async function openListen(path: string, notifications: object, { id = 'L', as = key, at = gateway }: Listening = {}) {
  const headers = modernHeaders('subscriptions/listen', as);
  return openStream(`${at.url}${path}`, { headers, body: listenBody(id, notifications) });
}

describe('subscriptions/listen', () => {
  test('is acknowledged first with what is honoured; every message says whose it is; nothing else is told', async () => {
    const stream = await openListen('/acme/mcp/both', {
      toolsListChanged: true,
      unheardOf: true,
      resourceSubscriptions: [encodeUri('legacy', 'test://one'), 'test://nobody.gatehouse/x'],
    });
    expect(await stream.nextJson()).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        notifications: { toolsListChanged: true, resourceSubscriptions: [encodeUri('legacy', 'test://one')] },
        _meta: { [subscriptionId]: 'L' },
      },
    });
    talker('legacy').promptsChanged();
    talker('modern').updated('test://one');
    talker('legacy').updated('test://one');
    expect(await stream.nextJson()).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/resources/updated',
      params: { uri: encodeUri('legacy', 'test://one'), _meta: { [subscriptionId]: 'L' } },
    });
    talker('modern').toolsChanged();
    expect(await stream.nextJson()).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/tools/list_changed',
      params: { _meta: { [subscriptionId]: 'L' } },
    });
    stream.close();
  });

  test('servers without such a stream, or with nothing to say, are left in peace', async () => {
    const noneKey = await createKey(gateway, 'acme', '--roles', 'none');
    const stream = await openListen(
      '/acme/mcp/mine',
      { ...everything, resourceSubscriptions: [encodeUri('plain', 'test://one'), encodeUri('mute', 'test://one')] },
      { as: noneKey },
    );
    const ack = await stream.nextJson();
    expect(ack).toMatchObject({
      params: { notifications: { resourceSubscriptions: [encodeUri('mute', 'test://one')] } },
    });
    await calm();
    expect(talker('plain').streams()).toBe(0);
    expect(talker('plain').subscribed()).toEqual([]);
    stream.close();
  });
});

async function openSession(path: string, as = key, at = gateway) {
  const answer = await send(`${at.url}${path}`, { headers: bearer(as), body: initialize() });
  const headers = {
    ...bearer(as),
    'mcp-session-id': String(answer.headers['mcp-session-id']),
    'mcp-protocol-version': '2025-11-25',
  };
  await send(`${at.url}${path}`, { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
  return headers;
}

describe('logs', () => {
  test.each(eras)(
    'of calls reach a legacy client of a %s server at the level of its session, on the call',
    async (server) => {
      const one = await open('legacy', '/acme/mcp/both');
      const call = (tag: string) => one.client.callTool({ name: `${server}_talk`, arguments: { tag } });
      await call('none');
      expect(one.heard).toEqual([]);
      for (const [level, said] of [
        ['info', ['info', 'warning']],
        ['warning', ['warning']],
        ['debug', ['debug', 'info', 'warning']],
      ] as const) {
        await one.client.setLoggingLevel(level);
        await call(level);
        expect(one.heard.splice(0).map(({ params }) => params.data)).toEqual(said.map((what) => `${what} of ${level}`));
      }
    },
  );

  test.each(eras)('of a call reach a modern client of a %s server as far as that request asks', async (server) => {
    const url = `${gateway.url}/acme/mcp/both`;
    const name = `${server}_talk`;
    const call = async (more: object) => {
      const headers = { ...modernHeaders('tools/call'), 'mcp-name': name };
      const params = { name, arguments: { tag: 't' }, _meta: meta(more) };
      const answer = await send(url, { headers, body: { jsonrpc: '2.0', id: 1, method: 'tools/call', params } });
      return [...answer.text.matchAll(/^data: (.*)$/gm)].map(([, json = '']) => JSON.parse(json));
    };
    expect(await call({})).toEqual([]);
    const said = await call({ 'io.modelcontextprotocol/logLevel': 'info', progressToken: 'mine' });
    expect(said.flatMap(({ params }) => params?.data ?? [])).toEqual(['info of t', 'warning of t']);
    expect(said.flatMap(({ params }) => params?.progressToken ?? [])).toEqual(['mine']);
    expect(said.at(-1)).toMatchObject({ id: 1, result: {} });
  });

  test('a legacy server keeps one session while the level changes', async () => {
    const one = await open('legacy', '/acme/mcp/both');
    const sessionOf = async () =>
      JSON.parse(textOf(await one.client.callTool({ name: 'legacy_remember', arguments: {} })));
    const { session } = await sessionOf();
    await one.client.setLoggingLevel('info');
    expect(await sessionOf()).toEqual({ session, count: 2 });
    await one.close();
    await expect.poll(() => sessionEnded(session)).toBe(true);
  });
});

const textOf = ({ content }: { readonly content: readonly object[] }) => {
  const [first] = content;
  return first && 'text' in first ? String(first.text) : '';
};

const sessionEnded = async (id: string) => {
  const answer = await send(talker('legacy').url, {
    headers: { 'mcp-session-id': id, 'mcp-protocol-version': '2025-11-25' },
    body: { jsonrpc: '2.0', id: 1, method: 'tools/list' },
  });
  return answer.status === 404;
};

test('a question outside any call reaches nobody [D18]', async () => {
  const one = await connect('legacy', { url: `${gateway.url}/acme/mcp/both`, key, capabilities: { roots: {} } });
  opened.push(one);
  const asked: unknown[] = [];
  one.client.setRequestHandler('roots/list', () => {
    asked.push(1);
    return { roots: [] };
  });
  const warmUri = encodeUri('legacy', 'test://warm');
  await one.client.subscribeResource({ uri: warmUri });
  await warm(one, 'legacy', warmUri);
  await talker('legacy').askUnasked();
  await expect.poll(() => gateway.logs().some(({ msg }) => msg === 'a question outside a call is dropped')).toBe(true);
  expect(asked).toEqual([]);
});

test('streams of one who may no longer come in end within a second [B11]', async () => {
  const made = await gateway.cli('key', 'create', '--org', 'acme', '--name', 'doomed');
  const { key: doomed, id } = made as { readonly key: string; readonly id: string };
  const listening = await openListen('/acme/mcp/both', { toolsListChanged: true }, { as: doomed });
  const session = await openSession('/acme/mcp/both', doomed);
  const got = await openStream(`${gateway.url}/acme/mcp/both`, { method: 'GET', headers: session });
  await listening.nextJson();
  await gateway.cli('key', 'revoke', '--org', 'acme', id);
  const since = performance.now();
  expect(await got.next()).toBeUndefined();
  for (let said = await listening.next(); said; said = await listening.next())
    expect(said.data).not.toContain('result');
  expect(performance.now() - since).toBeLessThan(1000);
});

test('a stream ends with its session, and the newest stream of a session is the one', async () => {
  const headers = await openSession('/acme/mcp/both');
  const url = `${gateway.url}/acme/mcp/both`;
  const first = await openStream(url, { method: 'GET', headers });
  const second = await openStream(url, { method: 'GET', headers });
  expect(await first.next()).toBeUndefined();
  await send(url, { method: 'DELETE', headers });
  expect(await second.next()).toBeUndefined();
});

test('streams are counted: one too many is 429', async () => {
  const as = await createKey(gateway, 'acme');
  const streams = await Promise.all(
    Array.from({ length: 20 }, () => openListen('/acme/mcp/both', { toolsListChanged: true }, { as })),
  );
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  const refused = await openListen('/acme/mcp/both', { toolsListChanged: true }, { as });
  expect(refused.status).toBe(429);
  for (const stream of streams) stream.close();
  await expect
    .poll(async () => {
      const again = await openListen('/acme/mcp/both', { toolsListChanged: true }, { as });
      again.close();
      return again.status;
    })
    .toBe(200);
});

test('a thousand listeners that came and went share one stream each server, and leave none open', async () => {
  const kept = await openListen('/acme/mcp/both', everything);
  await kept.nextJson();
  const before = eras.map((server) => talker(server).streams());
  expect(before).toEqual([1, 1]);
  for (let round = 0; round < 100; round++) {
    const some = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        openListen('/acme/mcp/both', { toolsListChanged: true }, { as: i % 2 === 0 ? key : staffKey }),
      ),
    );
    for (const stream of some) stream.close();
  }
  expect(eras.map((server) => talker(server).streams())).toEqual([1, 1]);
  kept.close();
  await expect.poll(() => eras.map((server) => talker(server).streams()), { timeout: 10_000 }).toEqual([0, 0]);
}, 60_000);

test('a listening ends with its result at its longest age or the gateway’s stop, a GET stream just ends', async () => {
  const short = await startGateway({ configYaml: yaml('4s') });
  const long = await startGateway({ configYaml: yaml() });
  for (const [at, stop] of [[short, undefined] as const, [long, () => long.stop()] as const]) {
    const as = await createKey(at, 'acme');
    const streams = await Promise.all(
      ['/acme/mcp/both', '/acme/mcp/modern', '/acme/mcp/legacy'].map(async (path) => {
        const stream = await openListen(path, { toolsListChanged: true }, { id: 7, as, at });
        expect([path, stream.status, stream.headers['content-type']]).toEqual([path, 200, 'text/event-stream']);
        const headers = await openSession(path, as, at);
        const got = await openStream(`${at.url}${path}`, { method: 'GET', headers });
        expect(await stream.nextJson()).toMatchObject({ method: 'notifications/subscriptions/acknowledged' });
        return { stream, got };
      }),
    );
    const stopped = stop?.();
    for (const { stream, got } of streams) {
      const result = { resultType: 'complete', _meta: { [subscriptionId]: 7 } };
      expect(await stream.nextJson()).toMatchObject({ id: 7, result });
      expect(await stream.next()).toBeUndefined();
      expect(await got.next()).toBeUndefined();
    }
    await stopped;
  }
  await short.stop();
}, 40_000);
