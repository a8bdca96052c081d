/** Servers that are run here, by the real command line against the real gateway, called by an official client. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { startGateway } from '#kit/gateway.ts';
import { follow, freePort, type RunWorld, runnable, startRunWorld } from '#kit/run-world.ts';

let world: RunWorld;
let port: number;
let fixedPort: number;
const folder = mkdtempSync(join(tmpdir(), 'gatehouse-run-'));

beforeAll(async () => {
  [port, fixedPort] = [await freePort(), await freePort()];
  world = await startRunWorld({ env: { MCP_PORT_NAMED_BY_ENV: String(fixedPort) } });
}, 60_000);
afterAll(async () => {
  await world?.close();
  rmSync(folder, { recursive: true, force: true });
});

const listed = z.array(
  z.object({
    server: z.string(),
    kind: z.string(),
    state: z.string(),
    port: z.number().nullable(),
    portProblem: z.string().nullable(),
    startedAt: z.string().nullable(),
    exits: z.number(),
    programs: z.array(z.object({ pid: z.number().nullable() })),
  }),
);
async function list(name: string) {
  const { out } = await world.run(['list', '--json']);
  return listed.parse(JSON.parse(out)).find(({ server }) => server === name);
}
const at = (name: string) => `${world.gateway.url}/acme/mcp/${name}`;

test('a command is run with its port, arguments and variables, listed, and called by the official client on both addresses [S2.13] [G2]', async () => {
  const args = ['; touch /tmp/gatehouse-injected', '$(id)', '--eval=1', 'two words'];
  const made = await world.runServer(
    'first',
    ['--transport', 'stdio', '--proxy-port', String(port), '-e', 'GREETING=hello', '--permission', 'network'],
    { args },
  );
  expect(made).toMatchObject({ code: 0, out: '' });
  // All of it is shown before it runs.
  for (const text of [process.execPath, '"$(id)"', 'GREETING', 'full', String(port)]) expect(made.err).toContain(text);
  expect(await list('first')).toMatchObject({
    kind: 'stdio',
    state: 'ready',
    port,
    portProblem: null,
    startedAt: null,
  });
  const started = { args, value: 'hello' };
  for (const url of [`http://127.0.0.1:${port}/mcp`, `http://localhost:${port}/`, at('first')])
    expect(await world.call(url, 'started', { name: 'GREETING' })).toEqual(started);
  expect(existsSync('/tmp/gatehouse-injected')).toBe(false);
  expect(await list('first')).toMatchObject({ state: 'running', port });
  expect((await fetch(`http://127.0.0.1:${port}/health`)).status).toBe(200);
});

test("a server's own port asks for the same proof as the main one, and has nothing else [S2.13]", async () => {
  const post = { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' };
  const stranger = await fetch(`http://localhost:${port}/mcp`, post);
  expect(stranger.status).toBe(401);
  for (const path of ['/admin/api/v1/runs', '/acme/mcp/first', '/api/v1beta/workloads', '/mcp/other'])
    expect((await fetch(`http://localhost:${port}${path}`)).status, path).toBe(404);
  const headers = { ...post.headers, origin: 'https://evil.example', authorization: `Bearer ${world.key}` };
  expect((await fetch(`http://localhost:${port}/mcp`, { ...post, headers })).status).toBe(403);
});

test('MCP_PORT_<SERVER> gives a server its port [S2.13]', async () => {
  expect((await world.runServer('named-by-env')).code).toBe(0);
  expect(await list('named-by-env')).toMatchObject({ port: fixedPort });
  expect(await world.call(`http://localhost:${fixedPort}/mcp`, 'started', { name: 'X' })).toEqual({
    args: [],
    value: null,
  });
});

test('a port that is taken is said, and everything else goes on [S2.13]', async () => {
  const taken = Number(new URL(world.gateway.url).port);
  const made = await world.runServer('unlucky', ['--proxy-port', String(taken)]);
  expect(made.code).toBe(0);
  expect(made.err).toContain(`Port ${taken} on 127.0.0.1 is taken`);
  expect((await world.run(['list'])).out).toContain(`${taken} (not open)`);
  expect(await world.call(at('unlucky'), 'started', { name: 'X' })).toEqual({ args: [], value: null });
});

test('stop ends what runs at once, start lets it run again, restart replaces the program [S2.13]', async () => {
  const pid = await world.call(at('first'), 'pid');
  expect((await world.run(['restart', 'first'])).err).toContain('starts anew');
  const anew = await world.call(at('first'), 'pid');
  expect(anew).not.toBe(pid);
  expect((await world.run(['stop', 'first'])).code).toBe(0);
  expect(() => process.kill(Number(anew), 0)).toThrow('ESRCH');
  expect(await list('first')).toMatchObject({ state: 'stopped', programs: [] });
  await expect(world.call(at('first'), 'pid')).rejects.toThrow();
  await expect(world.call(`http://localhost:${port}/mcp`, 'pid')).rejects.toThrow();
  expect((await world.run(['start', 'first'])).code).toBe(0);
  expect(await world.call(at('first'), 'pid')).not.toBe(anew);
});

test('logs shows what a server wrote, and -f goes on [S2.13]', async () => {
  await world.call(at('first'), 'say', { line: 'before \u001b[31mred' });
  const following = follow(world.gateway, 'first');
  const before = await following.line('before');
  expect(before).not.toContain('\u001b');
  await world.call(at('first'), 'say', { line: 'and after' });
  expect(await following.line('and after')).toMatch(/^\d{4}-\d\d-\d\dT.* and after$/);
  expect(await following.interrupt()).toBe(0);
  const { out } = await world.run(['logs', 'first', '--tail', '1']);
  expect(out.trimEnd().split('\n')).toHaveLength(1);
  expect(out).toContain('and after');
});

test('secrets come from the environment or a file, and are never shown again [S2.14]', async () => {
  const file = join(folder, 'token');
  writeFileSync(file, 'canary-from-file\n');
  const flags = ['--secret', `file:${file},target=FILE_TOKEN`, '--secret', 'OWN,target=ENV_TOKEN', '-e', 'API_KEY'];
  const env = { OWN: 'canary-from-env', API_KEY: 'canary-alone' };
  const made = await world.runServer('keeper', flags, { env });
  expect(made.code).toBe(0);
  for (const [name, value] of [
    ['FILE_TOKEN', 'canary-from-file'],
    ['ENV_TOKEN', 'canary-from-env'],
    ['API_KEY', 'canary-alone'],
  ] as const)
    expect(await world.call(at('keeper'), 'started', { name })).toMatchObject({ value });
  const exported = join(folder, 'keeper.yaml');
  const outputs = [
    made,
    await world.run(['list', '--json']),
    await world.run(['logs', 'keeper']),
    await world.run(['export', 'keeper', exported]),
    await world.run(['export', 'keeper', '-', '--json']),
  ];
  const token = readFileSync(join(world.gateway.dataDir, 'admin.token'), 'utf8').trim();
  const headers = { authorization: `Bearer ${token}` };
  const bodies = await Promise.all(
    ['runs', 'runs/keeper', 'runs/keeper/variables', 'runs/keeper/export', 'servers'].map(async (path) =>
      (await fetch(`${world.gateway.url}/admin/api/v1/${path}`, { headers })).text(),
    ),
  );
  const everything = [...outputs.map(({ out, err }) => out + err), ...bodies, readFileSync(exported, 'utf8')].join(
    '\n',
  );
  expect(everything).toContain('FILE_TOKEN');
  expect(everything + world.gateway.output()).not.toContain('canary-');
});

test('a changed variable restarts what runs, and dangerous names are refused [S2.14]', async () => {
  const token = readFileSync(join(world.gateway.dataDir, 'admin.token'), 'utf8').trim();
  const put = (variables: object) =>
    fetch(`${world.gateway.url}/admin/api/v1/runs/keeper/variables`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ variables }),
    });
  expect((await put({ API_KEY: 'canary-changed' })).status).toBe(200);
  expect(await world.call(at('keeper'), 'started', { name: 'API_KEY' })).toMatchObject({ value: 'canary-changed' });
  for (const name of ['NODE_OPTIONS', 'LD_PRELOAD', 'GIT_SSH_COMMAND', 'lower'])
    expect((await put({ [name]: 'x' })).status, name).toBe(400);
});

test('a program of a client’s file is imported by the operator, all its secrets sealed [S2.14] [S3.36]', async () => {
  const file = join(folder, 'mcp.json');
  const env = { FIRST_TOKEN: 'canary-first', SECOND_SECRET: 'canary-second', GREETING: 'hello' };
  writeFileSync(
    file,
    JSON.stringify({ mcpServers: { imported: { command: process.execPath, args: [runnable], env } } }),
  );
  const made = await world.run(['import', file, '--org', 'acme', '--all-members', '--yes']);
  expect([made.code, made.err]).toEqual([0, expect.stringContaining(runnable)]);
  for (const [name, value] of Object.entries(env))
    expect(await world.call(at('imported'), 'started', { name })).toMatchObject({ value });
  const shown = [made, await world.run(['export', 'imported', '-', '--json']), await world.run(['list', '--json'])];
  expect(JSON.stringify(shown) + world.gateway.output()).not.toContain('canary-');
});

test('an exported definition is a gatehouse.yaml that runs the same server [S2.13]', async () => {
  const file = join(folder, 'first.yaml');
  await world.run(['export', 'first', file]);
  const text = readFileSync(file, 'utf8');
  const { servers } = z
    .object({ servers: z.array(z.looseObject({ key: z.string(), port: z.number() })) })
    .parse(parse(text));
  expect(servers).toMatchObject([{ key: 'first', port, transport: { kind: 'stdio', command: process.execPath } }]);
  const own = await freePort();
  const copy = await startGateway({
    configYaml: `organizations: [{ slug: acme, name: Acme }]\nrunner: { sandbox: none }\nenablements: [{ organization: acme, server: first, allMembers: true }]\n${text.replace(String(port), String(own))}`,
  });
  try {
    const made = z.object({ key: z.string() }).parse(await copy.cli('key', 'create', '--org', 'acme', '--name', 'k'));
    const headers = { authorization: `Bearer ${made.key}`, accept: 'application/json, text/event-stream' };
    const body = JSON.stringify({
      ...{ jsonrpc: '2.0', id: 1, method: 'initialize' },
      params: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 't', version: '1' } },
    });
    const answer = await fetch(`http://localhost:${own}/mcp`, {
      ...{ method: 'POST', body },
      headers: { ...headers, 'content-type': 'application/json' },
    });
    expect(await answer.text()).toContain('runnable');
  } finally {
    await copy.stop();
  }
}, 60_000);

test('chosen and renamed tools are what callers see [S2.16]', async () => {
  const file = join(folder, 'overrides.json');
  writeFileSync(
    file,
    JSON.stringify({ toolsOverride: { started: { name: 'how', description: 'how it was started' } } }),
  );
  const made = await world.runServer('shaped', ['--tools', 'how', '--tools-override', file, '--stateless']);
  expect(made.err).toContain('Made the server');
  expect(await world.call(at('shaped'), 'how', { name: 'X' })).toEqual({ args: [], value: null });
  await expect(world.call(at('shaped'), 'pid')).rejects.toThrow();
});

test("options that are the whole gateway's here are refused with what to do instead [S2.16]", async () => {
  const refusals = [
    [['--oidc-issuer', 'https://id.example'], 'identity'],
    [['--authz-config', 'a.json'], 'gatehouse policy put'],
    [['--enable-audit'], 'trail'],
    [['--session-ttl', '2h'], 'MCP_SESSION_TTL_SECONDS'],
    [['--trust-proxy-headers'], 'TRUSTED_PROXIES'],
    [['--token-exchange-url', 'https://id.example/token'], 'auth: { kind: exchange'],
    [['--remote-auth-client-id', 'x'], 'auth: { kind: connected'],
  ] as const;
  for (const [flags, instead] of refusals) {
    const { code, err } = await world.runServer('none', flags);
    expect([code, err]).toEqual([2, expect.stringContaining(instead)]);
  }
  expect(await list('none')).toBeUndefined();
});

test('nothing is run without consent, downloaded, or privileged [S2.13] [G1]', async () => {
  const unasked = await world.run(['run', process.execPath, 'unasked', '--', runnable]);
  expect([unasked.code, unasked.err]).toEqual([2, expect.stringContaining('add --yes')]);
  const profile = join(folder, 'profile.json');
  writeFileSync(profile, JSON.stringify({ name: 'p', privileged: true }));
  for (const [args, why] of [
    [['--permission-profile', profile, process.execPath, 'unasked'], 'never given'],
    [['npx://some-package', 'unasked'], 'Nothing is downloaded'],
    [['https://mcp.example/mcp', 'unasked'], 'gatehouse.yaml'],
    [['no-such-command', 'unasked'], 'There is no command'],
  ] as const) {
    const { code, err } = await world.run(['run', '--yes', ...args]);
    expect([code, err]).toEqual([2, expect.stringContaining(why)]);
  }
  expect(await list('unasked')).toBeUndefined();
});

test('administrators of the platform see where programs run; images are pulled by the operator alone [S2.13] [G1]', async () => {
  const token = readFileSync(join(world.gateway.dataDir, 'admin.token'), 'utf8').trim();
  const ask = (path: string, secret: string, body?: object) =>
    fetch(`${world.gateway.url}/admin/api/v1${path}`, {
      method: body ? 'POST' : 'GET',
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      ...(body && { body: JSON.stringify(body) }),
    });
  await world.call(at('first'), 'pid');
  const health = await (await ask('/servers/health', token)).json();
  expect(health).toMatchObject({
    runner: {
      sandbox: { kind: 'none', state: 'ready', reason: null },
      running: expect.any(Number),
      containers: { engine: null, running: 0 },
    },
  });
  expect(z.object({ runner: z.object({ running: z.number().min(1) }) }).safeParse(health).success).toBe(true);
  expect((await world.run(['server', 'health'])).err).toContain('sandbox none ready');
  const made = await world.run(['key', 'create', '--org', 'acme', '--name', 'admin', '--roles', 'admin:*', '--json']);
  const { key } = z.object({ key: z.string() }).parse(JSON.parse(made.out));
  expect((await ask('/servers/health', key)).status).toBe(403);
  expect((await ask('/images/pull', key, { image: 'registry.example/x:1' })).status).toBe(403);
  expect((await world.run(['images', 'pull', '../containers/json'])).code).toBe(1);
});

test('the documented line for an image makes a container of it, its token sealed [S2.13]', async () => {
  const own = String(await freePort());
  const line = ['run', '--proxy-port', own, '--transport', 'stdio', '-e', 'GITHUB_PERSONAL_ACCESS_TOKEN=canary-pat'];
  const image = 'ghcr.io/github/github-mcp-server:latest';
  const made = await world.run([...line, '--permission', 'network', '--yes', image, 'github']);
  expect([made.code, made.err]).toEqual([0, expect.stringContaining(image)]);
  expect(await list('github')).toMatchObject({ kind: 'container', state: 'ready', port: Number(own) });
  const { out } = await world.run(['export', 'github', '-', '--json']);
  expect(out).toContain(image);
  expect(out + made.err + world.gateway.output()).not.toContain('canary-pat');
});

test('rm ends a server and all that was made with it [S2.13]', async () => {
  const pid = Number(
    await world
      .call(at('shaped'), 'how', { name: 'X' })
      .then(() => list('shaped'))
      .then((it) => it?.programs[0]?.pid),
  );
  expect((await world.run(['rm', 'shaped'])).code).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow('ESRCH');
  expect(await list('shaped')).toBeUndefined();
  await expect(world.call(at('shaped'), 'how')).rejects.toThrow();
  expect((await world.run(['rm', 'first'])).code).toBe(0);
  await expect(fetch(`http://localhost:${port}/health`)).rejects.toThrow();
  expect((await world.run(['stop', 'first'])).err).toContain('No server "first" is run here');
});
