/** Who may say what the gateway's machine runs: nobody by a token, whoever they are (SECURITY G1). */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openPeopleWorld, type PeopleWorld } from './people-world.ts';

let t: PeopleWorld;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-marks-'));
const mark = join(folder, 'mark');
const adminScope = 'admin:* mcp:read mcp:write';
const transport = { kind: 'stdio', command: '/usr/bin/touch', args: [mark] };

beforeAll(async () => {
  t = await openPeopleWorld();
}, 120_000);
afterAll(async () => {
  await t?.close();
  rmSync(folder, { recursive: true, force: true });
});

const commands = [
  ['POST /runs', { key: 'evil', transport }],
  ['POST /runs', { key: 'evil', transport: { kind: 'container', image: 'evil:1' } }],
  ['PUT /runs/ours', { transport }],
  ['PUT /runs/ours/variables', { variables: { MODE: 'x' } }],
  ['POST /servers', { key: 'evil', transport }],
  ['POST /servers', { key: 'evil', transport: { ...transport, kind: 'process' } }],
  ['PATCH /servers/web', { transport }],
  ['PATCH /servers/ours', { transport: { ...transport, args: ['other'] } }],
  ...[
    { key: 'evil', transport },
    { key: 'evil', transport: { ...transport, kind: 'process' } },
    { key: 'evil', transport: { kind: 'container', image: 'evil:1' } },
    { key: 'ours', transport: { ...transport, args: ['other'] } },
    { key: 'ours', transport, variables: { MODE: 'x' } },
    { key: 'evil', transport: { kind: 'http', url: 'https://a.example/mcp' }, tls: { caFile: '/etc/passwd' } },
  ].map((server) => ['POST /configuration/apply', { adopt: true, document: { servers: [server] } }] as const),
] as const;

test('neither an organization administrator, an API key nor the web token of a platform administrator adds a command [G1] [S2.13]', async () => {
  await t.good('POST /runs', { key: 'ours', transport });
  await t.good('POST /servers', { key: 'web', transport: { kind: 'http', url: 'https://a.example/mcp' } });
  const chief = await t.person('chief@example.com', { acme: ['admin'] }, adminScope);
  const boss = await t.person('boss@example.com', { acme: ['admin'] }, adminScope);
  const { key } = await t.good('POST /organizations/acme/keys', { name: 'all', roles: ['admin:*'] });
  const tokens = { chief: chief.accessToken, boss: boss.accessToken, key: String(key) };
  for (const [line, body] of commands)
    for (const [who, as] of Object.entries(tokens))
      expect((await t.admin(line, { body, as })).status, `${who} ${line}`).toBe(403);
  for (const as of [tokens.chief, tokens.boss, tokens.key]) {
    const own = await t.admin('POST /organizations/acme/servers', { body: { key: 'evil', transport }, as });
    expect([400, 403, 404]).toContain(own.status);
    const workload = await fetch(`${t.url}/api/v1beta/workloads`, {
      method: 'POST',
      headers: { authorization: `Bearer ${as}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'evil', image: 'evil:1' }),
    });
    expect(workload.status).toBe(403);
  }
  const { items } = await t.good('GET /runs');
  expect(items).toMatchObject([{ server: 'ours' }]);
  expect(existsSync(mark)).toBe(false);
});

test('a platform administrator sees and stops what runs from the web, others see nothing of it [G1]', async () => {
  const boss = await t.person('boss@example.com', { acme: ['admin'] }, adminScope);
  const chief = await t.person('chief@example.com', { acme: ['admin'] }, adminScope);
  for (const line of [
    'GET /runs',
    'GET /runs/ours',
    'GET /runs/ours/logs',
    'POST /runs/ours/stop',
    'POST /runs/ours/start',
  ]) {
    expect(
      (await t.admin(line, { as: boss.accessToken, ...(line.startsWith('POST') && { body: {} }) })).status,
      line,
    ).toBe(200);
    expect(
      (await t.admin(line, { as: chief.accessToken, ...(line.startsWith('POST') && { body: {} }) })).status,
      line,
    ).toBe(403);
  }
  const follow = (as: string) =>
    fetch(`${t.url}/admin/api/v1/runs/ours/logs/follow`, { headers: { authorization: `Bearer ${as}` } });
  expect((await follow(chief.accessToken)).status).toBe(403);
  const followed = await follow(boss.accessToken);
  expect(followed.status).toBe(200);
  await followed.body?.cancel();
});
