/** What the portal shows of people's groups and of a server's tools. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AdminApi, openAdminApi } from '#kit/admin-api.ts';

let api: AdminApi;

beforeAll(async () => {
  api = await openAdminApi();
  await api.send('POST /organizations', { body: { slug: 'acme', name: 'Acme' } });
  await api.send('POST /organizations', { body: { slug: 'other', name: 'Other' } });
}, 120_000);
afterAll(() => api.close());

const post = (path: string, body: object) => api.send(`POST /organizations/acme${path}`, { body });

test('a list of members says which groups they are in, and who says so [S3.26] [S3.27]', async () => {
  await post('/groups', { name: 'MCP-GitHub' });
  await api.send('POST /organizations/other/groups', { body: { name: 'Elsewhere' } });
  for (const email of ['ada@acme.example', 'bob@acme.example']) await post('/members', { email });
  await post('/groups/MCP-GitHub/members', { email: 'Ada@acme.example' });
  await api.send('POST /organizations/other/groups/Elsewhere/members', { body: { email: 'ada@acme.example' } });
  const { json } = await api.send('GET /organizations/acme/members');
  expect(json.items.map(({ email, groups }: { email: string; groups: unknown }) => ({ email, groups }))).toEqual([
    { email: 'ada@acme.example', groups: [{ name: 'MCP-GitHub', by: 'email', source: null }] },
    { email: 'bob@acme.example', groups: [] },
  ]);
});

test('a server that was never asked has no known tools, and one of nobody is not found', async () => {
  await post('/servers', { key: 'github', transport: { kind: 'http', url: 'https://mcp.example/mcp' } });
  const { json } = await api.send('GET /organizations/acme/servers/github/tools');
  expect(json).toEqual({ items: [], next: null });
  expect((await api.send('GET /organizations/other/servers/github/tools')).status).toBe(404);
});
