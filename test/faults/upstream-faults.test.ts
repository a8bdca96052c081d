/**
 * The fault table: what callers see of every fault of an upstream server, over every transport. Printed and compared with
 * docs/reference/faults.md; UPDATE_FAULTS=1 writes it.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startFaultProxy } from '#kit/fault-proxy.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, initialize, send } from '#kit/http-client.ts';
import { freePort } from '#kit/listen.ts';
import { commandLine, descendants, residentBytes } from '#kit/process.ts';
import { json, type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';
import { beginStream, greets, type RawSse, say, startRawSse } from '#kit/sse-server.ts';
import { faultScripts, onlyCalls } from './fault-scripts.ts';

const page = join(import.meta.dirname, '../../docs/reference/faults.md');
const child = join(import.meta.dirname, '../kit/children/mcp.ts');
/** Milliseconds. */
const totalMs = 1500;
const LATE_MS = 2000;
/** V8 lets up to 64 MB of spent buffers gather before it collects them. */
const GROWTH_BYTES = 96e6;

/** An API whose one operation is called as the tool of the others. */
const restDocument = (url: string) => ({
  ...{ openapi: '3.0.3', info: { title: 'Echo', version: '1' }, servers: [{ url }] },
  paths: {
    '/echo': {
      get: {
        operationId: 'echo',
        responses: { 200: { description: 'ok', content: { 'application/json': { schema: { type: 'object' } } } } },
      },
    },
  },
});

const yaml = (urls: Readonly<Record<string, string>>, document: string) => `
organizations: [{ slug: acme, name: Acme }]
servers:
${Object.entries(urls)
  .map(([key, url]) => `  - { key: ${key}, transport: { kind: ${key === 'older' ? 'sse' : 'http'}, url: '${url}' } }`)
  .join('\n')}
  - { key: child, transport: { kind: stdio, command: node, args: ['${child}'], state: stateless } }
  - { key: rest, openapi: { file: '${document}' } }
collections:
${[...Object.keys(urls), 'child', 'rest'].map((key) => `  - { organization: acme, name: ${key}, allowedRoles: '*', bindings: [{ server: ${key} }] }`).join('\n')}
  - { organization: acme, name: bridged, allowedRoles: '*', bindings: [{ server: http, tools: { hide: [nothing] } }] }
  - { organization: acme, name: timed, allowedRoles: '*', bindings: [{ server: http, tools: { timeoutMs: { echo: 300 } } }] }
enablements:
${[...Object.keys(urls), 'child', 'rest'].map((key) => `  - { organization: acme, server: ${key}, allMembers: true }`).join('\n')}
egress: { allow: ['127.0.0.1'] }
limits:
  timeouts: { toolCallMs: ${totalMs}, idleMs: 700, toolCallHeadersMs: 1000, connectMs: 800 }
  breaker: { consecutiveFailures: 100000, minimumCalls: 100000 }
  principal: { requestsPerMinute: 100000 }
`;

const tooMany = 400_000;
let upstream: RecordingUpstream;
let sse: RawSse;
let blackhole: Awaited<ReturnType<typeof startFaultProxy>>;
let gateway: RunningGateway;
let folder = '';
let headers: Record<string, string>;
let sseFault: (stream: import('node:http').ServerResponse, id: unknown) => void = () => undefined;

beforeAll(async () => {
  upstream = await startRecordingUpstream();
  sse = await startRawSse({
    stream: (res) => beginStream(res),
    post(message, res, stream) {
      if (greets(message, res, stream)) return;
      res.writeHead(202).end();
      sseFault(stream, message.id);
    },
  });
  blackhole = await startFaultProxy(upstream.port, { kind: 'blackhole' });
  const urls = {
    http: `${upstream.url}/mcp`,
    refused: `http://127.0.0.1:${await freePort()}/mcp`,
    blackhole: `${blackhole.url}/mcp`,
    older: sse.url,
  };
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-faults-'));
  const document = join(folder, 'echo.json');
  writeFileSync(document, JSON.stringify(restDocument(upstream.url)));
  gateway = await startGateway({ configYaml: yaml(urls, document) });
  headers = bearer(await createKey(gateway, 'acme'));
});
afterAll(async () => {
  await gateway?.stop();
  await Promise.all([upstream, sse, blackhole].map((each) => each?.close()));
  rmSync(folder, { recursive: true, force: true });
});

interface Seen {
  readonly cell: string;
  readonly ms: number;
}

/** One call; of the answer its end is kept, however long it is. */
function ask(name: string, tool: string, more: Record<string, string> = {}): Promise<Seen> {
  const startedAt = performance.now();
  const seen = (cell: string): Seen => ({ cell, ms: performance.now() - startedAt });
  const body = JSON.stringify(call(tool, {}, 'mine'));
  return new Promise((resolve) => {
    const usual = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const options = { method: 'POST', agent: false, headers: { ...usual, ...headers, ...more } } as const;
    const req = request(`${gateway.url}/acme/mcp/${name}`, options);
    req.on('error', () => resolve(seen('connection cut')));
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('latin1').on('data', (chunk: string) => {
        text = (text + chunk).slice(-tooMany);
      });
      res.on('error', () => resolve(seen('connection cut in the answer')));
      res.on('end', () => resolve(seen(cellOf(res, text))));
    });
    req.end(body);
  });
}

interface Head {
  readonly statusCode?: number | undefined;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

function cellOf({ statusCode, headers: { 'content-type': type, 'retry-after': retry } }: Head, text: string): string {
  const isStream = String(type).startsWith('text/event-stream');
  const last = isStream ? (text.split('data: ').at(-1) ?? '') : text;
  const after = retry === undefined ? '' : `, Retry-After ${retry}`;
  try {
    const { error, id, result } = JSON.parse(last);
    const own = result?.isError ? 'the tool failed' : 'the result';
    const what = error ? `error ${error.code}` : id === 'mine' ? own : 'what it sent';
    return `${statusCode} ${isStream ? `stream, ${what}` : what}${after}`;
  } catch {
    return `${statusCode} ${isStream ? 'stream, ' : ''}what it sent${after}`;
  }
}

type Row = Readonly<Record<string, string>>;
const table = new Map<string, Record<string, string>>();
const slow: string[] = [];
let grown = 0;

async function note(fault: string, way: string, seen: Promise<Seen>): Promise<void> {
  const atFirst = residentBytes(gateway.pid);
  const look = () => {
    grown = Math.max(grown, residentBytes(gateway.pid) - atFirst);
  };
  const looking = setInterval(look, 20);
  const { cell, ms } = await seen.finally(() => clearInterval(looking));
  look();
  const row = table.get(fault) ?? {};
  row[way] = cell;
  table.set(fault, row);
  if (ms > totalMs + LATE_MS) slow.push(`${fault}, ${way}: ${Math.round(ms)} ms`);
}

async function session(name: string): Promise<Record<string, string>> {
  const hello = await send(`${gateway.url}/acme/mcp/${name}`, { headers, body: initialize() });
  const id = hello.headers['mcp-session-id'];
  return typeof id === 'string' ? { 'mcp-session-id': id } : {};
}

const ways = ['HTTP, JSON', 'HTTP, events', 'bridged, JSON', 'bridged, events'] as const;

test('over HTTP nobody waits without end, memory is bounded and no connection stays behind [R10] [R11] [R12]', async () => {
  await note('nothing listens', ways[0], ask('refused', 'echo'));
  await note('takes the connection, then nothing', ways[0], ask('blackhole', 'echo'));
  const bridged = await session('bridged');
  for (const { name, json, events } of faultScripts) {
    for (const [at, script] of [json, events].entries()) {
      if (!script) continue;
      upstream.script(onlyCalls(script));
      await note(name, ways[at] ?? '', ask('http', 'echo'));
      await note(name, ways[at + 2] ?? '', ask('bridged', 'echo', bridged));
    }
  }
  upstream.script();
  expect(await ask('http', 'echo')).toMatchObject({ cell: '200 the result' });
  await expect.poll(() => upstream.openSockets(), { timeout: 10_000 }).toBeLessThanOrEqual(4);
  expect(slow).toEqual([]);
  expect(grown).toBeLessThan(GROWTH_BYTES);
}, 120_000);

test('over HTTP+SSE as well [R11]', async () => {
  const faults: readonly (readonly [string, typeof sseFault])[] = [
    ['says nothing', () => undefined],
    ['resets the connection', (stream) => stream.socket?.resetAndDestroy()],
    ['sends JSON that is none', (stream) => say(stream, '{"json":')],
    ['breaks off in the body', (stream) => void stream.end('event: message\ndata: {"jsonrpc"')],
    ['answers without end', (stream) => pourInto(stream)],
    ['answers another question', (stream) => say(stream, { jsonrpc: '2.0', id: 4711, result: {} })],
    [
      'answers twice',
      (stream, id) => {
        for (let i = 0; i < 2; i++) say(stream, { jsonrpc: '2.0', id, result: { content: [] } });
      },
    ],
  ];
  for (const [name, fault] of faults) {
    sseFault = fault;
    await note(name, 'HTTP+SSE', ask('older', 'echo', await session('older')));
  }
  expect(slow).toEqual([]);
  expect(grown).toBeLessThan(GROWTH_BYTES);
}, 60_000);

function pourInto(stream: import('node:http').ServerResponse): void {
  const block = Buffer.alloc(65_536, 'x');
  stream.write('data: ');
  const more = () => {
    while (!stream.destroyed && stream.write(block));
    if (!stream.destroyed) stream.once('drain', more);
  };
  more();
}

/** REST has no ids: an answer is of the request on whose connection it comes. */
const ofMessages: ReadonlySet<string> = new Set(['answers another question']);

const heard = json({ heard: true });

test('of a REST API that is called by its OpenAPI document as well [R10] [R11] [R12]', async () => {
  upstream.script(heard);
  expect(await ask('rest', 'echo')).toMatchObject({ cell: '200 the result' });
  for (const { name, json: script } of faultScripts) {
    if (ofMessages.has(name)) continue;
    upstream.script(script);
    await note(name, 'REST API', ask('rest', 'echo'));
  }
  upstream.script(heard);
  expect(await ask('rest', 'echo')).toMatchObject({ cell: '200 the result' });
  upstream.script();
  await expect.poll(() => upstream.openSockets(), { timeout: 10_000 }).toBeLessThanOrEqual(4);
  expect(slow).toEqual([]);
  expect(grown).toBeLessThan(GROWTH_BYTES);
}, 60_000);

test('and over stdio [R11] [R13]', async () => {
  const faults = [
    ['says nothing', 'hang'],
    ['closes without a word', 'crash'],
    ['sends JSON that is none', 'broken'],
    ['answers without end', 'flood'],
    ['answers twice', 'strangers'],
  ] as const;
  for (const [name, tool] of faults) {
    await note(name, 'stdio', ask('child', tool, await session('child')));
    // A crash is followed by a pause before the next start: whoever comes meanwhile is refused at once.
    await expect
      .poll(async () => (await ask('child', 'pid', await session('child'))).cell, { timeout: 20_000, interval: 200 })
      .toBe('200 the result');
  }
  expect(slow).toEqual([]);
  expect(grown).toBeLessThan(GROWTH_BYTES);
}, 60_000);

test('a tool that has a time of its own is waited for so long', async () => {
  upstream.script(onlyCalls(() => undefined));
  const { cell, ms } = await ask('timed', 'echo', await session('timed'));
  upstream.script();
  expect(cell).toBe('504 error -32603');
  expect(ms).toBeLessThan(900);
});

test('a server that is switched off ends its programs, and what is under way is answered', async () => {
  const pids = descendants(gateway.pid);
  expect(pids.some((pid) => commandLine(pid).includes(child))).toBe(true);
  const hanging = ask('child', 'hang', await session('child'));
  await gateway.cli('disable', 'child', '--org', 'acme');
  expect((await hanging).cell).toMatch(/error -32\d{3}$/);
  await expect
    .poll(() => descendants(gateway.pid).some((pid) => commandLine(pid).includes(child)), { timeout: 12_000 })
    .toBe(false);
}, 30_000);

const columns = [...ways, 'HTTP+SSE', 'stdio', 'REST API'];
const rendered = () => {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rows = [...table].map(([fault, row]: [string, Row]) => line([fault, ...columns.map((way) => row[way] ?? '')]));
  return [line(['the server', ...columns]), line(['---', ...columns.map(() => '---')]), ...rows].join('\n');
};

const before = `# Faults of upstream servers

What a caller of a tool sees when its server fails, over every transport: HTTP status, then the code of the JSON-RPC error or what else comes. Measured by \`test/faults/upstream-faults.test.ts\`, which fails when this page no longer holds.

\`HTTP\`: the server's answer passes through as it comes, as JSON or as a stream of events. \`bridged\`: the gateway writes the answer itself (several servers, another revision of MCP, shaped tools); it takes answers of up to 10 MiB and events of up to 4 MiB. An empty cell was not measured: the same cannot happen there, or is no different from its neighbour to the left.

"What it sent": the gateway does not read an answer that passes through. JSON that is none, or an answer to another question, reaches the client as the server sent it, with status 200: the client has to refuse it. The bridged columns show what a server gets where the gateway does read.

\`REST API\`: an API called by its OpenAPI document, here one that promises a JSON object. The gateway writes the answer itself; "the tool failed" is a result with \`isError\`, which says what came. It takes answers of up to 2 MiB: more of a text is cut off, more of anything else is a failure of the tool.

`;
const after = `

- Nobody waits for longer than \`limits.timeouts.toolCallMs\` (or the tool's or server's own time) and two seconds. Silence ends earlier: \`toolCallHeadersMs\` before the head, \`idleMs\` between two pieces, \`connectMs\` for the connection.
- Memory does not grow with the answer: no call of this table cost the gateway more than 96 MB of resident memory at any time, most of it spent buffers that are not yet collected. What passes through has no largest size: the two endless rows were cut here by a time of 1.5 s, well before 1 GiB was through; with more time, and a client that takes it, it would be. Afterwards the connections to the server are back to what they were.
- \`502\` is also what a breaker answers at once while it is open: after five failures in a row, or half of at least twenty calls in ten seconds, for 5 to 60 s, for this organization and this server alone.
- No call of a tool is sent a second time once a byte of it may have reached the server.
`;

test('the table is the one in docs/reference/faults.md', () => {
  const now = before + rendered() + after;
  console.log(rendered());
  if (process.env.UPDATE_FAULTS) writeFileSync(page, now);
  expect(readFileSync(page, 'utf8')).toBe(now);
});
