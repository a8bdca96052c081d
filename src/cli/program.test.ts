import { createServer } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { cli } from '#kit/run-cli.ts';
import { openBanner } from './banner.ts';
import { printable } from './output.ts';
import { openProgress } from './progress.ts';

let server: ConformanceServer;
beforeAll(async () => {
  server = await startConformanceServer();
});
afterAll(() => server.close());

test('--help lists the commands', async () => {
  const { code, out } = await cli(['--help']);
  expect(code).toBe(0);
  for (const name of ['serve', 'key', 'tools', 'call', 'org', 'server', 'collection', 'db'])
    expect(out).toContain(name);
});

test('--help has every command under a heading of what it is about, and the first is how to start', async () => {
  const { out } = await cli(['--help']);
  const headings = out.split('\n').filter((line) => /^\S.*:$/.test(line));
  expect(headings).toContain('Servers run here:');
  expect(headings.indexOf('Start and try:')).toBe(1);
  expect(headings).not.toContain('Commands:');
});

test('--version prints the version', async () => {
  expect(await cli(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
});

test.each([
  [['nonsense']],
  [['key']],
  [['key', 'create', '--expires', 'soon']],
  [['key', 'create', '--nonsense']],
  [['serve', '--port', '70000']],
  [['call', 'demo/echo']],
  [['call', 'http://127.0.0.1:1/mcp', 'x', '[1]']],
  [['call', 'a/b/c', 'x']],
  [['org', 'list', '--url', 'http://127.0.0.1:1']],
])('%j is a usage error: exit 2, nothing on standard output', async (args) => {
  const { code, out, err } = await cli(args);
  expect({ code, out }).toEqual({ code: 2, out: '' });
  expect(err).not.toBe('');
});

test('a broken setting is one sentence and exit 1, as JSON when asked for [S0.23]', async () => {
  const env = { PORT: 'many' };
  expect(await cli(['serve'], { env })).toMatchObject({
    code: 1,
    out: '',
    err: expect.stringMatching(/^PORT is wrong.*\n$/),
  });
  const { err } = await cli(['serve', '--json'], { env });
  expect(JSON.parse(err)).toMatchObject({ error: { code: 'setting' } });
});

test('flags win over the environment', async () => {
  const { err } = await cli(['serve', '--config', '/nowhere/x.yaml'], { env: { GATEHOUSE_CONFIG: '/else/y.yaml' } });
  expect(err).toContain('/nowhere/x.yaml');
});

test('a gateway that does not answer is said so, with what to do next', async () => {
  const { code, err } = await cli(['org', 'list', '--url', 'http://127.0.0.1:1', '--key', 'k']);
  expect(code).toBe(1);
  expect(err).toContain('gatehouse serve');
});

test('a refused key is exit 3', async () => {
  const refusing = createServer((_req, res) => {
    res.writeHead(401, { 'content-type': 'application/problem+json' }).end('{"code":"invalid_token","detail":"no"}');
  });
  const listening = await listenOnLoopback(refusing);
  const url = `http://127.0.0.1:${listening.port}`;
  try {
    expect((await cli(['org', 'list', '--url', url, '--key', 'k'])).code).toBe(3);
    expect((await cli(['tools', `${url}/mcp`])).code).toBe(3);
  } finally {
    await listening.close();
  }
});

test('tools and call reach any MCP server', async () => {
  const listed = await cli(['tools', server.url]);
  expect(listed.code).toBe(0);
  expect(listed.out).toContain('test_simple_text');
  const called = await cli(['call', server.url, 'test_simple_text']);
  expect(called.code).toBe(0);
  expect(called.out.trim()).not.toBe('');
  const json = await cli(['call', server.url, 'test_simple_text', '{}', '--json']);
  expect(JSON.parse(json.out)).toMatchObject({ content: [{ type: 'text' }] });
});

test('a key kept for the gateway goes to no other host', async () => {
  const seen: (string | undefined)[] = [];
  const foreign = createServer((req, res) => {
    seen.push(req.headers.authorization);
    res.writeHead(401).end();
  });
  const listening = await listenOnLoopback(foreign);
  const url = `http://127.0.0.1:${listening.port}`;
  try {
    const GATEHOUSE_KEY = 'canary';
    await cli(['tools', `${url}/mcp`], { env: { GATEHOUSE_URL: 'http://127.0.0.1:1', GATEHOUSE_KEY } });
    expect(new Set(seen)).toEqual(new Set([undefined]));
    await cli(['tools', `${url}/mcp`], { env: { GATEHOUSE_URL: url, GATEHOUSE_KEY } });
    expect(seen).toContain('Bearer canary');
  } finally {
    await listening.close();
  }
});

test('a tool that fails prints what it says and exits 1', async () => {
  const { code, out } = await cli(['call', server.url, 'test_error_handling']);
  expect(code).toBe(1);
  expect(out).not.toBe('');
});

test('a long call shows its progress on a terminal and cleans up after itself', () => {
  const text: string[] = [];
  let now = 0;
  const io = { err: (part: string) => void text.push(part), errIsTerminal: true };
  const progress = openProgress(io, 'import', { monotonic: () => now });
  progress.report({ progress: 1, total: 10 });
  expect(text).toEqual([]);
  now = 2500;
  progress.report({ progress: 3, total: 10, message: 'reading\u001b[2J' });
  progress.close();
  expect(text[0]).toContain('import 3/10 reading\ufffd[2J 2.5 s');
  expect(text.at(-1)).toBe('\r\u001b[K');
});

test('progress of the server reaches the command and never standard output', async () => {
  const { code, out } = await cli(['call', server.url, 'test_tool_with_progress', '{}', '--json'], { terminal: true });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ content: expect.any(Array) });
});

test('what a stranger says does not steer the terminal', () => {
  expect(printable('a\u001b[31mb\u0007\u009bc\nd')).toBe('a\ufffd[31mb\ufffd\ufffdc\nd');
});

function banner(env: Record<string, string> = { NO_COLOR: '1' }) {
  const text: string[] = [];
  const write = (part: string) => void text.push(part);
  return {
    banner: openBanner({ out: write, err: write, env }, { version: '1.2.3', demo: true }),
    text: () => text.join(''),
  };
}

test('the banner shows each step, the URLs, the key once, and lines to paste', () => {
  const { banner: shown, text } = banner();
  shown.step('Open');
  shown.step('Listen');
  shown.done();
  shown.welcome({
    url: 'http://localhost:3000',
    endpoints: ['/demo/mcp/everything', '/demo/mcp/time'],
    key: 'gw_test_KEY',
    keysUrl: undefined,
    account: undefined,
    signIn: false,
    command: 'gatehouse',
  });
  const url = 'http://localhost:3000/demo/mcp/everything';
  expect(text()).toMatch(/✓ Open \d/);
  expect(text()).toContain('http://localhost:3000/welcome');
  expect(text()).toContain(
    `claude mcp add --transport http --scope user gatehouse ${url} --header "Authorization: Bearer gw_test_KEY"`,
  );
  expect(text()).toContain(`code --add-mcp '{"name":"gatehouse","type":"http","url":"${url}"`);
  expect(text()).toContain(`curl -s ${url}`);
  expect(text()).toContain('gatehouse tools demo/everything');
  expect(text()).not.toContain('\u001b[1m');
});

test('what leads to everything comes first', () => {
  const { banner: shown, text } = banner();
  shown.welcome({
    url: 'http://localhost:3000',
    keysUrl: undefined,
    endpoints: ['/mcp', '/demo/mcp/everything', '/demo/mcp/time'],
    key: 'gw_test_KEY',
    account: undefined,
    signIn: false,
    command: 'gatehouse',
  });
  expect(text()).toContain('gatehouse http://localhost:3000/mcp --header');
  expect(text()).toContain('http://localhost:3000/demo/mcp/everything');
  expect(text()).toMatch(/gatehouse tools$/m);
  expect(text()).toContain('gatehouse call demo/time get_current_time');
});

test('a later start shows no key', () => {
  const { banner: shown, text } = banner({});
  shown.welcome({
    url: 'http://localhost:3000',
    keysUrl: undefined,
    endpoints: ['/demo/mcp/time'],
    key: undefined,
    account: undefined,
    signIn: false,
    command: 'gatehouse',
  });
  expect(text()).not.toContain('shown once');
  expect(text()).toContain('$GATEHOUSE_KEY');
});

test('where people sign in, lines with the key lead to the address that takes keys only', () => {
  const { banner: shown, text } = banner();
  shown.welcome({
    url: 'http://localhost:3000',
    keysUrl: 'http://localhost:3001',
    endpoints: ['/demo/mcp/time'],
    key: 'gw_test_KEY',
    account: { username: 'admin', password: 'SECRET' },
    signIn: true,
    command: 'gatehouse',
  });
  expect(text()).toMatch(/Sign in +admin SECRET/);
  expect(text()).toMatch(/gatehouse http:\/\/localhost:3000\/demo\/mcp\/time$/m);
  expect(text()).toContain('gatehouse http://localhost:3001/demo/mcp/time --header');
  expect(text()).toContain('curl -s http://localhost:3001/demo/mcp/time');
});
