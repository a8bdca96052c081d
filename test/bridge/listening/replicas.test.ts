/** Three gateways on one PostgreSQL: it doesn't matter which of them a request comes to. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, type EventStream, initialize, openStream, send } from '#kit/http-client.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { startShim } from '#kit/shim.ts';
import { encodeUri } from '#mcp/bridge/uris.ts';
import { connect } from './listeners.ts';
import { startTalker, type Talker } from './talkers.ts';

let database: TestDatabase;
let legacy: Talker;
let modern: Talker;
let replicas: readonly RunningGateway[];
let key: string;

const path = '/demo/mcp/both';
const at = (n: number): string => `${replicas[n]?.url}${path}`;

const yaml = () => `
organizations: [{ slug: demo, name: Demo }]
servers:
  - { key: legacy, title: Legacy, transport: { kind: http, url: '${legacy.url}', state: stateful } }
  - { key: modern, title: Modern, transport: { kind: http, url: '${modern.url}' } }
collections:
  - { organization: demo, name: both, allowedRoles: '*', bindings: [{ server: legacy }, { server: modern }] }
enablements:
  - { organization: demo, server: legacy, allMembers: true }
  - { organization: demo, server: modern, allMembers: true }
egress: { allow: ['127.0.0.1'] }
`;

const start = (more: Readonly<Record<string, string>> = {}) =>
  startGateway({
    configYaml: yaml(),
    env: { DATABASE_URL: database.url, ENCRYPTION_KEY: 'a-root-secret-that-all-replicas-share', ...more },
  });

beforeAll(async () => {
  [database, legacy, modern] = await Promise.all([createTestDatabase(), startTalker('legacy'), startTalker('modern')]);
  const reachable = { REPLICA_URL: 'http://127.0.0.1:0' };
  replicas = [await start(reachable), ...(await Promise.all([start(reachable), start(reachable)]))];
  const [first] = replicas;
  if (first) key = await createKey(first);
}, 120_000);
afterAll(async () => {
  await Promise.all((replicas ?? []).map((replica) => replica.stop()));
  await Promise.all([legacy?.close(), modern?.close(), database?.close()]);
});

async function openSession(capabilities: object = {}) {
  const answer = await send(at(0), { headers: bearer(key), body: initialize(capabilities) });
  const headers = {
    ...bearer(key),
    'mcp-session-id': String(answer.headers['mcp-session-id']),
    'mcp-protocol-version': '2025-11-25',
  };
  await send(at(1), { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
  return headers;
}

const ask = (tag: string, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'legacy_ask', arguments: { tag } },
});

interface Message {
  readonly id?: unknown;
  readonly method?: string;
  readonly params?: { readonly [key: string]: unknown };
  readonly result?: { readonly [key: string]: unknown };
  readonly error?: { readonly code: number; readonly message: string };
}

async function next(stream: EventStream, wanted: (message: Message) => boolean): Promise<Message> {
  for (;;) {
    const message = (await stream.nextJson()) as Message;
    if (wanted(message)) return message;
  }
}

test('a client that never comes to the same replica twice has one session, here and at a server that remembers', async () => {
  const shim = await startShim([at(0), at(1), at(2)], {});
  const one = await connect('legacy', { url: shim.url, key });
  const made = legacy.sessions().made;
  const answers: { readonly session: string; readonly count: number }[] = [];
  for (let i = 0; i < 9; i++) {
    const { content } = await one.client.callTool({ name: 'legacy_remember', arguments: {} });
    const [first] = content;
    answers.push(JSON.parse(first?.type === 'text' ? first.text : ''));
  }
  expect(answers.map(({ count }) => count)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(new Set(answers.map(({ session }) => session)).size).toBe(1);
  // For their lists the replicas have sessions of their own principal's, shared too.
  expect(legacy.sessions().made - made).toBeLessThanOrEqual(3);
  expect(Math.min(...shim.served)).toBeGreaterThanOrEqual(3);

  // A server that lost its sessions: one replica makes a new one, all go on with it.
  legacy.forget();
  const healed: number[] = [];
  for (let i = 0; i < 6; i++) {
    const { content } = await one.client.callTool({ name: 'legacy_remember', arguments: {} });
    const [first] = content;
    healed.push(JSON.parse(first?.type === 'text' ? first.text : '').count);
  }
  expect(healed).toEqual([1, 2, 3, 4, 5, 6]);
  const alive = legacy.sessions().alive;
  await one.close();
  await expect.poll(() => legacy.sessions().alive).toBeLessThan(alive);
  await shim.close();
});

test('an answer to a question of a call at one replica arrives at another', async () => {
  const headers = await openSession({ elicitation: {} });
  const stream = await openStream(at(0), { headers, body: ask('answered') });
  const { id } = await next(stream, ({ method }) => method === 'elicitation/create');
  const body = { jsonrpc: '2.0', id, result: { action: 'accept', content: {} } };
  expect((await send(at(1), { headers, body })).status).toBe(202);
  const { result } = await next(stream, (message) => message.result !== undefined);
  expect(JSON.stringify(result)).toContain('accept');
  expect(legacy.runs.get('answered')).toBe(1);
});

test('a call is cancelled at another replica', async () => {
  const headers = await openSession({ elicitation: {} });
  const stream = await openStream(at(0), { headers, body: ask('cancelled', 'c-1') });
  await next(stream, ({ method }) => method === 'elicitation/create');
  const body = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 'c-1' } };
  expect((await send(at(2), { headers, body })).status).toBe(202);
  for (let said = await stream.next(); said; said = await stream.next()) expect(said.data).not.toContain('"result"');
});

test('what a session subscribes to and its log level hold on all replicas', async () => {
  const headers = await openSession();
  const stream = await openStream(at(0), { method: 'GET', headers });
  const uri = encodeUri('legacy', 'test://one');
  const change = (method: string, params: object) =>
    send(at(1), { headers, body: { jsonrpc: '2.0', id: 1, method, params } });
  expect((await change('resources/subscribe', { uri })).json).toMatchObject({ result: {} });
  const said = next(stream, ({ method }) => method === 'notifications/resources/updated');
  const saying = setInterval(() => legacy.updated('test://one'), 50);
  expect((await said).params).toEqual({ uri });
  clearInterval(saying);
  stream.close();

  await change('logging/setLevel', { level: 'warning' });
  const params = { name: 'modern_talk', arguments: { tag: 'there' } };
  const answer = await send(at(2), { headers, body: { jsonrpc: '2.0', id: 2, method: 'tools/call', params } });
  expect(answer.text).toContain('warning of there');
  expect(answer.text).not.toContain('info of there');
});

test('a stream hears of a server only as long as the organization has it [C11]', async () => {
  const headers = await openSession();
  const stream = await openStream(at(0), { method: 'GET', headers });
  const uri = (server: string) => encodeUri(server, 'test://two');
  for (const server of ['legacy', 'modern']) {
    const body = { jsonrpc: '2.0', id: 1, method: 'resources/subscribe', params: { uri: uri(server) } };
    await send(at(0), { headers, body });
  }
  const saying = setInterval(() => {
    legacy.updated('test://two');
    modern.updated('test://two');
  }, 50);
  const updated = (server: string) =>
    next(stream, ({ params }) => params?.uri !== undefined && params.uri === uri(server));
  await updated('legacy');
  await updated('modern');
  const set = (enabled: boolean) =>
    database.sql(
      `update gateway.enablements set enabled = $1 where server_id in (select id from gateway.servers where key = 'modern')`,
      [enabled],
    );
  await set(false);
  await next(stream, ({ method }) => method === 'notifications/tools/list_changed');
  const heard: unknown[] = [];
  for (let i = 0; i < 10; i++) heard.push((await next(stream, ({ params }) => params?.uri !== undefined)).params?.uri);
  expect(new Set(heard)).toEqual(new Set([uri('legacy')]));
  await set(true);
  await updated('modern');
  clearInterval(saying);
  stream.close();
});

test('a session that is ended at one replica is unknown at all, and its stream ends', async () => {
  const headers = await openSession();
  const stream = await openStream(at(2), { method: 'GET', headers });
  expect((await send(at(0), { method: 'DELETE', headers })).status).toBe(200);
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
  const statuses = () => Promise.all([0, 1, 2].map(async (n) => (await send(at(n), { headers, body })).status));
  await expect.poll(statuses, { timeout: 1000 }).toEqual([404, 404, 404]);
  expect(await stream.next()).toBeUndefined();
});

const modernCall = (tag: string, more: object = {}) => ({
  headers: {
    ...bearer(key),
    'mcp-protocol-version': '2026-07-28',
    'mcp-method': 'tools/call',
    'mcp-name': 'legacy_ask',
  },
  body: {
    jsonrpc: '2.0',
    id: 1,
    method: 'tools/call',
    params: {
      name: 'legacy_ask',
      arguments: { tag },
      ...more,
      _meta: {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientCapabilities': { elicitation: {} },
        progressToken: 'mine',
      },
    },
  },
});

/** Parks a call; what to send to go on with it. */
async function park(url: string, tag: string) {
  const { result } = (await send(url, modernCall(tag))).json as Message;
  expect(result).toMatchObject({ resultType: 'input_required', requestState: expect.any(String) });
  const keys = Object.keys(result?.inputRequests ?? {});
  const inputResponses = Object.fromEntries(keys.map((one) => [one, { action: 'accept', content: {} }]));
  return modernCall(tag, { requestState: result?.requestState, inputResponses });
}

test('a parked call goes on where it waits, with its progress, whichever replica hears the answer', async () => {
  const resume = await park(at(0), 'parked');
  const stream = await openStream(at(1), resume);
  expect(await stream.nextJson()).toMatchObject({
    method: 'notifications/progress',
    params: { progressToken: 'mine', message: 'answered' },
  });
  expect(JSON.stringify(await stream.nextJson())).toContain('accept');
  expect(legacy.runs.get('parked')).toBe(1);
  // Once only.
  expect(((await send(at(2), resume)).json as Message).error?.message).toContain('call again');
  expect(legacy.runs.get('parked')).toBe(1);
});

test('a call whose replica died is over, says so, and ran once', async () => {
  const doomed = await start({ REPLICA_URL: 'http://127.0.0.1:0' });
  const resume = await park(`${doomed.url}${path}`, 'orphan');
  await doomed.kill9();
  const { error } = (await send(at(1), resume)).json as Message;
  expect(error?.message).toMatch(/replica that holds|ended with the replica/);
  expect(legacy.runs.get('orphan')).toBe(1);
});

test('replicas that do not reach each other say which setting is missing', async () => {
  const [one, two] = [await start(), await start()];
  const resume = await park(`${one.url}${path}`, 'alone');
  const { error } = (await send(`${two.url}${path}`, resume)).json as Message;
  expect(error?.message).toContain('set REPLICA_URL on each of them');
  expect(legacy.runs.get('alone')).toBe(1);
  await Promise.all([one.stop(), two.stop()]);
});
