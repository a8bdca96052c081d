/** The REST façade from outside: every address and alias, its refusals, and that it decides as MCP does. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createKey } from '#kit/gateway.ts';
import { bearer, call, send } from '#kit/http-client.ts';
import { json, result } from '#kit/recording-upstream.ts';
import { startWorld, type World } from '#kit/world.ts';

const extraYaml = `
  - { organization: demo, name: my_docs, allowedRoles: '*', bindings: [{ server: plain }] }
`;

let world: World;
let staff: string;
beforeAll(async () => {
  world = await startWorld();
  staff = await createKey(world.gateway, 'demo', '--roles', 'staff');
});
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script();
  world.upstream.clear();
});

const get = (path: string, headers: Record<string, string> = world.auth) =>
  send(world.gateway.url + path, { method: 'GET', headers: { accept: 'application/json', ...headers } });
const post = (path: string, body?: unknown, headers: Record<string, string> = world.auth) =>
  send(world.gateway.url + path, { headers: { accept: 'application/json', ...headers }, body });
const called = () => world.upstream.requests.filter(({ rpc }) => rpc.method === 'tools/call');

test('smoke', async () => {
  for (const p of [
    '/servers',
    '/tools',
    '/tenants',
    '/openapi.json',
    '/mcp/plain',
    '/api/servers/plain/tools',
    '/mcp/plain/openapi.json',
    '/mcp/openapi.json',
  ]) {
    const a = await get(p);
    console.log(p, a.status, a.text.slice(0, 1500));
  }
  for (const p of [
    '/api/servers/plain/tools/echo',
    '/mcp/plain/echo',
    '/mcp/plain_echo',
    '/demo/mcp/open/echo',
    '/mcp/filtered/retrieve',
    '/mcp/plain/nope',
    '/mcp/nope/x',
    '/refresh',
  ]) {
    const a = await post(p, { a: 1 });
    console.log(p, a.status, a.text.slice(0, 500));
  }
});
