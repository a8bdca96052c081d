/** Who calls, as servers hear it: those that are trusted, from us alone (REQUIREMENTS S3.5, DESIGN ruling 7). */
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type AccessWorld, startAccessWorld } from '#kit/access-world.ts';
import { bearer, call, send } from '#kit/http-client.ts';

let world: AccessWorld;
beforeAll(async () => {
  world = await startAccessWorld({
    people: ['ann', 'bob'],
    servers: ['files'],
    trusted: true,
    hasShort: false,
    yaml: 'enablements: [{ organization: acme, server: files, allMembers: true }]',
  });
  await world.addGroup({ name: 'MCP-GitHub', server: 'files', people: ['ann'] });
  await world.addGroup({ name: 'Tenant-Acme', server: 'files', people: ['ann'] });
  await world.database.sql(`update public."user" set role = 'admin' where id = 'bob'`);
}, 60_000);
afterAll(() => world?.close());

const spoofed = {
  'x-user-email': 'boss@example.com',
  'x-user-groups': 'MCP-Admin',
  'x-user-admin': 'true',
  'x-user-name': 'boss',
  'x-user-id': 'boss',
  'x-gateway-validated': 'true',
  'x-entra-groups': 'MCP-Admin',
  'x-auth-source': 'entra-token',
};

const modern = {
  'mcp-protocol-version': '2026-07-28',
  'mcp-method': 'tools/call',
  'mcp-name': 'retrieve',
};
const body = {
  ...call('retrieve', {}),
  params: {
    ...{ name: 'retrieve', arguments: {} },
    _meta: {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
      'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
    },
  },
};

async function heardAs(person: string, url: string, sent: object): Promise<Record<string, unknown>> {
  const before = world.upstream.upstream.requests.length;
  const headers = { ...bearer(await world.token(person)), ...spoofed };
  const { status } = await send(url, {
    headers: url.endsWith('/files') ? { ...headers, ...modern } : headers,
    body: sent,
  });
  expect(status).toBe(200);
  const [, last] = [
    0,
    world.upstream.upstream.requests.slice(before).findLast(({ rpc }) => rpc.method === 'tools/call'),
  ];
  return Object.fromEntries(
    Object.entries(last?.headers ?? {}).filter(([name]) => /^x-(?:user|gateway|entra|auth|organ)/.test(name)),
  );
}

test('e-mail, groups, administrator and name, whichever way a call goes; what the caller wrote is gone [S3.5] [S3.4] [X3.1]', async () => {
  const ann = {
    'x-user-email': 'ann@Example.com',
    'x-user-name': 'ann',
    'x-user-groups': 'MCP-GitHub,Tenant-Acme',
    'x-user-admin': 'false',
    'x-user-id': 'ann',
    'x-gateway-validated': 'true',
    'x-organization-id': world.org,
  };
  const mcp = `${world.app.url}/acme/mcp/files`;
  await vi.waitFor(async () => expect(await heardAs('ann', mcp, body)).toEqual(ann));
  expect(await heardAs('ann', `${world.app.url}/api/servers/files/tools/retrieve`, {})).toEqual(ann);
  const bob = await heardAs('bob', mcp, body);
  expect(bob).toMatchObject({ 'x-user-groups': '', 'x-user-admin': 'true' });
});
