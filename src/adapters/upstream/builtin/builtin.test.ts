import { stat } from 'node:fs/promises';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Agent, fetch as undiciFetch } from 'undici';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { type Builtins, openBuiltins } from './builtin.ts';
import { parseRobots } from './robots.ts';

let builtins: Builtins;
let now = 0;
const site = openSite();
beforeAll(async () => {
  const clock = { now: () => Date.parse('2026-11-20T12:00:00Z') + now, monotonic: () => performance.now() + now };
  builtins = await openBuiltins({ clock, log: silentLog, fetch: site.fetch });
});
afterAll(async () => {
  await builtins.close();
  await site.close();
});
const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

/** Stands in for the web: host names lead to a local server, private ones are refused. */
function openSite() {
  const pages = new Map<string, (req: IncomingMessage, res: ServerResponse) => void>();
  const asked: string[] = [];
  const server = createServer((req, res) => {
    const key = `${req.headers['x-host']}${req.url}`;
    asked.push(key);
    const page = pages.get(key);
    if (page) page(req, res);
    else res.writeHead(404).end();
  });
  const ready = new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address ? address.port : 0);
    });
  });
  return {
    pages,
    asked,
    async fetch(url: string, init: { headers: Record<string, string>; redirect: 'manual'; signal: AbortSignal }) {
      const { host, pathname, search } = new URL(url);
      if (host === '127.0.0.1' || host === 'metadata.internal') throw new Error(`refused ${host}`);
      const headers = { ...init.headers, 'x-host': host };
      return fetch(`http://127.0.0.1:${await ready}${pathname}${search}`, { ...init, headers });
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

function socketFetch(extra: Record<string, string> = {}): typeof fetch {
  const agent = new Agent({ connect: { socketPath: builtins.socketPathFor('echo') } });
  closers.push(() => agent.destroy());
  return async (input, init) => {
    const headers = new Headers(init?.headers);
    for (const [key, value] of Object.entries(extra)) headers.set(key, value);
    const url = input instanceof Request ? input.url : String(input);
    const { method = 'GET', body = null, signal = null } = init ?? {};
    const sent = typeof body === 'string' ? body : null;
    const answer = await undiciFetch(url, { method, headers: [...headers], body: sent, signal, dispatcher: agent });
    const empty = [202, 204].includes(answer.status);
    return new Response(empty ? null : await streamOf(answer), { status: answer.status, headers: [...answer.headers] });
  };
}

async function streamOf(answer: Awaited<ReturnType<typeof undiciFetch>>): Promise<ReadableStream<Uint8Array> | null> {
  const reader = answer.body?.getReader();
  if (!reader) return null;
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

async function connectOld(name: string, headers: Record<string, string> = {}) {
  const client = new OldClient({ name: 'old', version: '1' });
  const url = new URL(builtins.addressOf(name).url);
  const transport = new OldTransport(url, { fetch: socketFetch(headers) });
  await client.connect(transport as Parameters<typeof client.connect>[0]);
  closers.push(() => client.close());
  return client;
}

async function connectNew(name: string) {
  const client = new Client({ name: 'new', version: '1' }, { versionNegotiation: { mode: { pin: '2026-07-28' } } });
  const url = new URL(builtins.addressOf(name).url);
  await client.connect(new StreamableHTTPClientTransport(url, { fetch: socketFetch() }));
  closers.push(() => client.close());
  return client;
}

interface ToolCaller {
  callTool(params: { name: string; arguments?: Record<string, unknown> }): Promise<unknown>;
}

async function call(client: ToolCaller, name: string, args: Record<string, unknown> = {}): Promise<string> {
  const result: unknown = await client.callTool({ name, arguments: args });
  const text = /"text":("(?:[^"\\]|\\.)*")/.exec(JSON.stringify(result))?.[1];
  return text === undefined ? JSON.stringify(result) : String(JSON.parse(text));
}

const echoTools = [
  ...['authContext', 'bearerDecode', 'corsAnalysis', 'echo', 'environmentDump', 'healthProbe', 'printHeader'],
  ...['replayLastEcho', 'requestTiming', 'sessionInfo', 'whoIStheGOAT'],
];

function raw(path: string, method: string, headers: Record<string, string>, body?: string) {
  return new Promise<{ status: number; headers: IncomingMessage['headers']; res: IncomingMessage }>(
    (resolve, reject) => {
      const req = request({ socketPath: builtins.socketPathFor('echo'), path, method, headers }, (res) =>
        resolve({ status: res.statusCode ?? 0, headers: res.headers, res }),
      );
      req.on('error', reject);
      req.end(body);
    },
  );
}

const post = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const initialize = JSON.stringify({
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'raw', version: '1' } },
});

describe('echo', () => {
  test.each(['echo-stateful', 'echo-stateless', 'echo'])('%s has its tools in both eras [S1.36]', async (name) => {
    for (const client of [await connectOld(name), await connectNew(name)]) {
      const { tools } = await client.listTools();
      expect(tools.map((tool) => tool.name).sort()).toEqual(echoTools);
      for (const tool of echoTools) expect(await call(client, tool, { message: 'hello' })).not.toBe('');
      expect(await call(client, 'echo', { message: 'hello' })).toBe('hello');
    }
  });

  test('a session replays its own last message and nobody else`s [S1.36]', async () => {
    const [first, second] = [await connectOld('echo-stateful'), await connectOld('echo-stateful')];
    await call(first, 'echo', { message: 'mine' });
    expect(await call(first, 'replayLastEcho')).toBe('mine');
    expect(await call(second, 'replayLastEcho')).not.toContain('mine');
    expect(JSON.parse(await call(first, 'sessionInfo'))).toMatchObject({
      stateful: true,
      echoes: 1,
      waitingMessages: 0,
    });
    expect(await call(await connectOld('echo-stateless'), 'replayLastEcho')).toContain('no sessions');
  });

  test('headers are shown, credentials among them are not; identity is what the gateway says [S1.36]', async () => {
    const payload = Buffer.from('{"sub":"u1"}').toString('base64url');
    const token = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.sig`;
    const headers = {
      authorization: `Bearer ${token}`,
      'x-user-name': 'Ada',
      'x-user-groups': 'a, b',
      'x-custom': 'c',
    };
    const client = await connectOld('echo-stateless', headers);
    const printed = await call(client, 'printHeader');
    expect(JSON.parse(printed)).toMatchObject({ 'x-custom': 'c', authorization: '[hidden]' });
    expect(printed).not.toContain(payload);
    expect(JSON.parse(await call(client, 'bearerDecode'))).toMatchObject({ claims: { sub: 'u1' }, verified: false });
    expect(JSON.parse(await call(client, 'authContext'))).toMatchObject({ name: 'Ada', groups: ['a', 'b'] });
    expect(await call(client, 'whoIStheGOAT')).toContain('Ada');
  });

  test('the environment shown has no variable of the process [S1.36] [G4]', async () => {
    process.env.BUILTIN_TEST_SECRET = 'do-not-show';
    const shown = await call(await connectOld('echo-stateless'), 'environmentDump');
    delete process.env.BUILTIN_TEST_SECRET;
    expect(shown).not.toContain('do-not-show');
    expect(Object.keys(JSON.parse(shown)).sort()).toEqual(['arch', 'node', 'platform', 'timeZone']);
  });

  test('at most a hundred messages wait for the GET stream, which drains them [S1.36]', async () => {
    const opened = await raw('/echo-stateful/mcp', 'POST', post, initialize);
    const session = { ...post, 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    opened.res.resume();
    for (let i = 0; i < 105; i++) {
      const params = { name: 'echo', arguments: { message: `m${i}` } };
      const body = JSON.stringify({ jsonrpc: '2.0', id: i, method: 'tools/call', params });
      (await raw('/echo-stateful/mcp', 'POST', session, body)).res.resume();
    }
    const { status, res } = await raw('/echo-stateful/mcp', 'GET', { ...session, accept: 'text/event-stream' });
    expect(status).toBe(200);
    let text = '';
    for await (const chunk of res) {
      text += chunk;
      if (text.includes('m104') && text.endsWith('\n\n')) break;
    }
    const messages = [...text.matchAll(/"echoed":"(m\d+)"/g)].map((match) => match[1]);
    expect(messages).toHaveLength(100);
    expect(messages[0]).toBe('m5');
  });

  test('statuses: no session 400, unknown 404, notification 202, batch 400, expired 404 [S1.36]', async () => {
    const status = async (method: string, headers: Record<string, string>, body?: string) => {
      const answer = await raw('/echo-stateful/mcp', method, headers, body);
      answer.res.resume();
      return answer.status;
    };
    const list = '{"jsonrpc":"2.0","id":1,"method":"tools/list"}';
    expect(await status('GET', { accept: 'text/event-stream' })).toBe(400);
    expect(await status('GET', { accept: 'text/event-stream', 'mcp-session-id': 'none' })).toBe(404);
    expect(await status('POST', post, list)).toBe(400);
    expect(await status('POST', { ...post, 'mcp-session-id': 'none' }, list)).toBe(404);
    expect(await status('POST', post, `[${list}]`)).toBe(400);
    expect(await status('POST', post, '{')).toBe(400);
    const opened = await raw('/echo-stateful/mcp', 'POST', post, initialize);
    opened.res.resume();
    const session = { ...post, 'mcp-session-id': String(opened.headers['mcp-session-id']) };
    expect(await status('POST', session, '{"jsonrpc":"2.0","method":"notifications/initialized"}')).toBe(202);
    expect(await status('POST', session, list)).toBe(200);
    now += 3_601_000;
    expect(await status('POST', session, list)).toBe(404);
    expect((await raw('/nothing/mcp', 'GET', {})).status).toBe(404);
  });

  test('only this user can reach the socket', async () => {
    if (process.platform === 'win32') return;
    expect((await stat(dirname(builtins.socketPathFor('echo')))).mode & 0o777).toBe(0o700);
    expect(() => builtins.socketPathFor('no-such')).toThrow();
    expect(builtins.names).toEqual(['echo', 'echo-stateful', 'echo-stateless', 'time', 'fetch']);
  });
});

describe('time', () => {
  test('the current time in any zone, with daylight saving', async () => {
    for (const client of [await connectOld('time'), await connectNew('time')]) {
      const berlin = JSON.parse(await call(client, 'get_current_time', { timezone: 'Europe/Berlin' }));
      expect(berlin).toMatchObject({ timezone: 'Europe/Berlin', is_dst: false });
      expect(berlin.datetime).toMatch(/^2026-11-20T1[34]:\d\d:\d\d\+01:00$/);
    }
  });

  test('a time is converted across the date line and half hours', async () => {
    const client = await connectOld('time');
    const convert = async (source_timezone: string, time: string, target_timezone: string) =>
      JSON.parse(await call(client, 'convert_time', { source_timezone, time, target_timezone }));
    const india = await convert('America/New_York', '20:00', 'Asia/Kolkata');
    expect(india.source.datetime).toMatch(/T20:00:00-05:00$/);
    expect(india.target.datetime).toMatch(/T06:30:00\+05:30$/);
    expect(india.time_difference).toBe('+10.5h');
    expect((await convert('UTC', '00:00', 'Asia/Kathmandu')).time_difference).toBe('+5.75h');
  });

  test('an unknown zone or a broken time is an error of the tool', async () => {
    const client = await connectOld('time');
    expect(await call(client, 'get_current_time', { timezone: 'Mars/Base' })).toContain('time zone');
    const broken = { source_timezone: 'UTC', time: '25:00', target_timezone: 'UTC' };
    expect(await call(client, 'convert_time', broken)).toContain('HH:MM');
  });
});

describe('fetch', () => {
  const html = (body: string) => (_req: IncomingMessage, res: ServerResponse) => {
    res.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(body);
  };
  const redirect = (location: string) => (_req: IncomingMessage, res: ServerResponse) => {
    res.writeHead(302, { location }).end();
  };

  test('a page comes as Markdown without scripts, or raw [S1.37]', async () => {
    site.pages.set(
      'a.test/p',
      html(
        '<html><head><title>t</title></head><body><h1>Häd</h1><script>x()</script><p>a <b>b</b> <a href="/c">c</a></p></body></html>',
      ),
    );
    for (const client of [await connectOld('fetch'), await connectNew('fetch')]) {
      const text = await call(client, 'fetch', { url: 'https://a.test/p#frag' });
      expect(text).toBe('Contents of https://a.test/p:\n# Häd\n\na **b** [c](/c)');
      expect(await call(client, 'fetch', { url: 'https://a.test/p', raw: true })).toContain('<script>');
    }
  });

  test('a long page is read in parts', async () => {
    site.pages.set('a.test/long', (_req, res) =>
      res.writeHead(200, { 'content-type': 'text/plain' }).end('0123456789'),
    );
    const client = await connectOld('fetch');
    const url = 'https://a.test/long';
    expect(await call(client, 'fetch', { url, max_length: 4 })).toContain(
      ':\n0123\n\n(6 more characters: go on with start_index 4)',
    );
    expect(await call(client, 'fetch', { url, max_length: 9, start_index: 4 })).toMatch(/:\n456789$/);
    expect(await call(client, 'fetch', { url, start_index: 10 })).toContain('no more content');
  });

  test('robots.txt is respected, a broken one forbids, a missing one allows [S1.37]', async () => {
    site.pages.set('r.test/robots.txt', (_req, res) => res.end('User-agent: *\nDisallow: /private'));
    site.pages.set('r.test/private/x', html('secret'));
    site.pages.set('r.test/open', html('open'));
    site.pages.set('broken.test/robots.txt', (_req, res) => res.writeHead(503).end());
    site.pages.set('broken.test/', html('x'));
    const client = await connectOld('fetch');
    expect(await call(client, 'fetch', { url: 'https://r.test/private/x' })).toContain('asks robots');
    expect(site.asked).not.toContain('r.test/private/x');
    expect(await call(client, 'fetch', { url: 'https://r.test/open' })).toContain('open');
    expect(await call(client, 'fetch', { url: 'https://broken.test/' })).toContain('asks robots');
  });

  test('every hop of a redirect goes through the guard and the rules of its site [S1.37]', async () => {
    site.pages.set('hop.test/1', redirect('https://a.test/p'));
    site.pages.set('hop.test/in', redirect('http://metadata.internal/latest'));
    site.pages.set('hop.test/file', redirect('file:///etc/passwd'));
    site.pages.set('hop.test/priv', redirect('https://r.test/private/x'));
    site.pages.set('hop.test/loop', redirect('/loop'));
    const client = await connectOld('fetch');
    const get = (path: string) => call(client, 'fetch', { url: `https://hop.test/${path}` });
    expect(await get('1')).toContain('Contents of https://a.test/p');
    expect(await get('in')).toBe('The page cannot be reached');
    expect(await get('file')).toContain('http');
    expect(await get('priv')).toContain('asks robots');
    expect(await get('loop')).toContain('too often');
  });

  test('what is no web page is refused with a plain reason [S1.37]', async () => {
    site.pages.set('a.test/bin', (_req, res) => res.writeHead(200, { 'content-type': 'image/png' }).end('x'));
    const client = await connectOld('fetch');
    const get = (url: string) => call(client, 'fetch', { url });
    expect(await get('http://127.0.0.1/')).toBe('The page cannot be reached');
    expect(await get('file:///etc/passwd')).toContain('http');
    expect(await get('https://user:pw@a.test/')).toContain('user name');
    expect(await get('https://a.test/bin')).toContain('image/png');
    expect(await get('https://a.test/missing')).toContain('404');
  });

  test('a page made to keep the parser busy holds up nobody else', async () => {
    site.pages.set('a.test/deep', html('<div>'.repeat(60_000)));
    const [client, other] = [await connectOld('fetch'), await connectOld('echo-stateless')];
    const deep = call(client, 'fetch', { url: 'https://a.test/deep' });
    let longest = 0;
    let isOver = false;
    const over = deep.finally(() => {
      isOver = true;
    });
    while (!isOver) {
      const before = performance.now();
      await call(other, 'echo', { message: 'x' });
      longest = Math.max(longest, performance.now() - before);
    }
    expect(await over).toContain('too complex');
    expect(longest).toBeLessThan(1000);
  });

  test('a page without end is cut at a megabyte', async () => {
    site.pages.set('a.test/endless', (_req, res) => {
      res.writeHead(200, { 'content-type': 'text/plain' });
      const write = () => {
        while (res.write('y'.repeat(65536)));
        res.once('drain', write);
      };
      res.on('close', () => res.removeListener('drain', write));
      write();
    });
    const client = await connectOld('fetch');
    const text = await call(client, 'fetch', { url: 'https://a.test/endless', start_index: 1_048_500 });
    expect(text).toContain('too long');
  });
});

test('robots rules: own group over *, longest match, allow on a tie, wildcards and end', () => {
  const rules = parseRobots(
    'User-agent: other\nDisallow: /\n\nUser-agent: Gatehouse\nUser-agent: x\nDisallow: /a # why\nAllow: /a/b\nDisallow: /*.pdf$\nDisallow: /t\nAllow: /t\n\nUser-agent: *\nDisallow: /',
    'gatehouse',
  );
  const allowed = ['/', '/a/b/c', '/x.pdf?y', '/t', '/b'];
  const refused = ['/a', '/a/c', '/x.pdf', '/q/x.pdf'];
  expect(allowed.filter((path) => !rules.allows(path))).toEqual([]);
  expect(refused.filter((path) => rules.allows(path))).toEqual([]);
  expect(parseRobots('', 'gatehouse').allows('/')).toBe(true);
  expect(parseRobots('User-agent: *\nDisallow:', 'gatehouse').allows('/')).toBe(true);
});
