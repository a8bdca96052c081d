/** Servers are greeted before they are saved, within what somebody may; collections keep what is not typed anew. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type PortalBrowser, type PortalWorld, startPortalWorld } from '#kit/portal-world.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const api = '/admin/api/v1';
const acme = `${api}/organizations/acme`;
let t: PortalWorld;
let tools: ToolServer;
let root: PortalBrowser;
let ada: PortalBrowser;
beforeAll(async () => {
  tools = await startToolServer({ era: 'legacy' });
  tools.tools = [
    {
      name: 'find',
      description: 'Finds',
      inputSchema: { type: 'object', properties: { q: { type: 'string' }, area: { type: 'string' } } },
    },
  ];
  t = await startPortalWorld();
  root = await t.enter('root');
  ada = await t.enter('ada');
}, 120_000);
afterAll(async () => {
  await t?.close();
  await tools?.close();
});

const send = async (browser: PortalBrowser, [method, path]: readonly [string, string], body?: unknown) =>
  browser.ask(method, path, { body, headers: { 'x-csrf-token': await browser.csrf() } });
const transport = () => ({ kind: 'http', url: tools.url });

test('a server that is not saved says who it is and which tools it has, and nothing of it is kept', async () => {
  const { status, body } = await send(root, ['POST', `${api}/servers/probe`], { transport: transport() });
  expect(status).toBe(200);
  expect(body).toMatchObject({ state: 'well', era: 'legacy', tools: [{ name: 'find' }], problem: null });
  expect((await root.ask('GET', `${api}/servers`)).body.items).toEqual([]);
});

test('what does not answer is said, not thrown', async () => {
  const wish = { transport: { kind: 'http', url: 'http://127.0.0.1:9/mcp' } };
  const { status, body } = await send(root, ['POST', `${api}/servers/probe`], wish);
  expect([status, body.state]).toEqual([200, 'failed']);
  expect(body.problem).toMatchObject({ code: 'upstream_unreachable' });
});

test('an administrator of an organization greets no address of the inside, and no program', async () => {
  const inside = await send(ada, ['POST', `${acme}/probes`], { transport: transport() });
  expect([inside.status, inside.body.code]).toEqual([400, 'bad_request']);
  const program = { transport: { kind: 'stdio', command: 'true' } };
  expect((await send(ada, ['POST', `${acme}/probes`], program)).status).toBe(400);
  expect((await send(ada, ['POST', `${api}/servers/probe`], program)).status).toBe(403);
  // A browser's sign-in is not the machine's own word either.
  expect((await send(root, ['POST', `${api}/servers/probe`], program)).status).toBe(403);
});

test('what a client would see of a tool is shown before it is saved', async () => {
  const wish = {
    definitions: tools.tools,
    tools: { rename: { find: { name: 'search' } }, arguments: { find: { area: { fixed: 'north' } } } },
  };
  const { body } = await send(ada, ['POST', `${acme}/tool-previews`], wish);
  expect(body.items).toMatchObject([{ tool: 'find', published: { name: 'search' } }]);
  expect(JSON.stringify(body.items)).not.toContain('area');
  expect(body.tokens).toBeGreaterThan(5);
});

test('a saved server is asked as the organization has it, and its collection keeps the credential that is not given anew', async () => {
  const server = { key: 'finder', transport: transport(), enableFor: 'acme' };
  expect((await send(root, ['POST', `${api}/servers`], server)).status).toBe(201);
  const asked = await ada.ask('GET', `${acme}/servers/finder/greeting`);
  expect(asked.body).toMatchObject({ state: 'well', tools: [{ name: 'find' }] });
  const health = await ada.ask('GET', `${acme}/server-health`);
  expect(health.body.items).toMatchObject([{ key: 'finder', retryAt: null }]);

  const binding = { server: 'finder', credential: 's3cret' };
  await send(ada, ['POST', `${acme}/collections`], { name: 'desk', allowedRoles: '*', bindings: [binding] });
  const change = (bindings: unknown) => send(ada, ['PUT', `${acme}/collections/desk`], { allowedRoles: '*', bindings });
  const kept = await change([{ server: 'finder', keepCredential: true, tools: { hide: ['other'] } }]);
  expect(kept.body.bindings).toMatchObject([{ hasCredential: true }]);
  tools.upstream.clear();
  await ada.ask('GET', `${acme}/servers/finder/greeting?collection=desk`);
  expect(tools.upstream.requests.map(({ headers }) => headers.authorization)).toContain('Bearer s3cret');
  expect((await change([{ server: 'finder', keepCredential: true, partition: 'p' }])).status).toBe(400);
  expect((await change([{ server: 'finder' }])).body.bindings).toMatchObject([{ hasCredential: false }]);
});
