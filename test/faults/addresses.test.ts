/** A server at three addresses, as operators and callers meet it. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, initialize, openStream, send } from '#kit/http-client.ts';
import {
  event,
  openSse,
  type RecordingUpstream,
  result,
  type Script,
  startRecordingUpstream,
} from '#kit/recording-upstream.ts';

const yaml = (urls: readonly string[]) => `
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: many, transport: { kind: http, url: '${urls[0]}/mcp', urls: ['${urls[1]}/mcp', '${urls[2]}/mcp'] } }
collections: [{ organization: acme, name: many, allowedRoles: '*', bindings: [{ server: many }] }]
enablements: [{ organization: acme, server: many, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 100000 } }
`;

/** A server of the legacy era with sessions, that says which one it is. */
const named =
  (name: string): Script =>
  (request, res) => {
    const { rpc, headers, method } = request;
    if (method === 'DELETE') return void res.writeHead(200).end();
    if (method === 'GET') {
      openSse(res);
      return void res.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { data: name } }));
    }
    if (rpc.id === undefined) return void res.writeHead(202).end();
    if (rpc.method === 'initialize') {
      const hello = { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name, version: '1' } };
      return result(hello, { 'mcp-session-id': `of-${name}` })(request, res);
    }
    const id = headers['mcp-session-id'];
    if (id !== undefined && id !== `of-${name}`) return void res.writeHead(404).end();
    return result({ content: [{ type: 'text', text: name }] })(request, res);
  };

let servers: RecordingUpstream[];
let gateway: RunningGateway;
let headers: Record<string, string>;
let url: string;

beforeAll(async () => {
  servers = await Promise.all([0, 1, 2].map(() => startRecordingUpstream()));
  for (const [at, server] of servers.entries()) server.script(named(`s${at}`));
  gateway = await startGateway({ configYaml: yaml(servers.map((server) => server.url)) });
  headers = bearer(await createKey(gateway, 'acme'));
  url = `${gateway.url}/acme/mcp/many`;
});
afterAll(async () => {
  await gateway?.stop();
  await Promise.all(servers.map((server) => server.close()));
});

async function begin() {
  const hello = await send(url, { headers, body: initialize() });
  const session = { ...headers, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
  return { name: String(JSON.parse(hello.text).result.serverInfo.name), session };
}
const whoAnswers = async (session: Record<string, string>) => {
  const { status, text } = await send(url, { headers: session, body: call('who', {}) });
  return status === 200 ? String(JSON.parse(text).result.content[0].text) : status;
};
const ofHealth = async () => JSON.parse((await send(`${gateway.url}/health`, { method: 'GET', headers })).text);
const shown = async () => {
  const items = (await gateway.cli('server', 'health')) as readonly Record<string, unknown>[];
  return items.find(({ key }) => key === 'many');
};
const gauge = async (name: string) => {
  const { text } = await send(`${gateway.url}/metrics`, { method: 'GET' });
  return Number(new RegExp(`^gatehouse_${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

test('sessions are spread over all addresses and stay where they began, streams too', async () => {
  const begun = [];
  for (let i = 0; i < 6; i++) begun.push(await begin());
  expect(new Set(begun.map(({ name }) => name)).size).toBe(3);
  for (const { name, session } of begun) for (let i = 0; i < 3; i++) expect(await whoAnswers(session)).toBe(name);
  const { name, session } = begun[0] ?? (await begin());
  const stream = await openStream(url, { method: 'GET', headers: session });
  expect(await stream.nextJson()).toMatchObject({ params: { data: name } });
  stream.close();
  expect(await gauge('endpoints')).toBe(3);
});

test('an address that dies loses its sessions only, and every way to look says so [S4.9] [S4.25]', async () => {
  const begun = [];
  for (let i = 0; i < 6; i++) begun.push(await begin());
  await servers[2]?.close();
  // What has no session goes elsewhere, the calls that tools are too: nothing was sent.
  for (let i = 0; i < 30; i++) expect((await send(url, { headers, body: call('who', {}) })).status).toBe(200);
  for (const { name, session } of begun) {
    const answers = await whoAnswers(session);
    if (name === 's2') expect(['s0', 's1']).toContain(answers);
    else expect(answers).toBe(name);
  }
  for (let i = 0; i < 4; i++) expect((await begin()).name).not.toBe('s2');
  expect((await ofHealth()).servers.many).toMatchObject({ instances: 3, healthy: 2 });
  expect(await shown()).toMatchObject({
    ...{ state: 'degraded', instances: 3, healthy: 2, underWay: 0, refused: [] },
    endpoints: [{ ejected: false }, { ejected: false }, { ejected: true, ejections: 1 }],
  });
  expect(await gauge('endpoints_ejected')).toBe(1);
  expect(await gauge('endpoint_ejections_total')).toBe(1);
  // Addresses are the operator's to know.
  expect(JSON.stringify(await ofHealth())).not.toContain('127.0.0.1');
});

test('one that comes back is used again by itself', async () => {
  servers[2] = await startRecordingUpstream(servers[2]?.port);
  servers[2]?.script(named('s2'));
  const names = new Set<string>();
  await expect
    .poll(async () => names.add((await begin()).name).has('s2'), { timeout: 15_000, interval: 300 })
    .toBe(true);
  expect(await shown()).toMatchObject({ healthy: 3, state: 'well' });
});
