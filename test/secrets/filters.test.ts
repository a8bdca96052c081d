/** Content filters, from outside: wherever a server or a caller puts what is looked for, it does not get through. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { type App, openApp } from '#app.ts';
import { loadConfig } from '#config/load.ts';
import { openModernWire } from '#kit/modern-wire.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { cli } from '#kit/run-cli.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';

const dataDir = mkdtempSync(join(tmpdir(), 'gatehouse-filters-'));
const canary = ['AKIA', 'IOSFODNN7EXAMPLE'].join('');
let database: TestDatabase;
let upstream: ToolServer;
let app: App;
let env: Record<string, string>;
let key = '';

const yaml = () => `
organizations: [{ slug: acme, name: Acme }]
servers: [{ key: files, transport: { kind: http, url: '${upstream.url}' } }]
enablements: [{ organization: acme, server: files, allMembers: true }]
egress: { allow: ['127.0.0.1'] }
limits: { principal: { requestsPerMinute: 100000 }, organization: { requestsPerMinute: 100000 } }
`;

const run = (...args: string[]) => cli([...args, '--org', 'acme'], { env });

beforeAll(async () => {
  [database, upstream] = await Promise.all([createTestDatabase(), startToolServer({ era: 'modern' })]);
  upstream.tools = [{ name: 'retrieve', inputSchema: { type: 'object' } }];
  env = {
    ...{ PORT: '0', DATA_DIR: dataDir, LOG_LEVEL: 'error', DATABASE_URL: database.url },
    ENCRYPTION_KEY: 'kQ7vX2mN9pL4wR8tY1uZ6sD3fG5hJ0aB',
  };
  const file = join(dataDir, 'gatehouse.yaml');
  const readFile = (path: string) => (path === file ? yaml() : undefined);
  app = await openApp(loadConfig({ env, cwd: dataDir, readFile }), { version: '0.0.0' });
  key = z.object({ key: z.string() }).parse(JSON.parse((await run('key', 'create', '--name', 't', '--json')).out)).key;
}, 60_000);
afterAll(async () => {
  await app?.close();
  await Promise.all([upstream?.close(), database?.close()]);
  rmSync(dataDir, { recursive: true, force: true });
});
beforeEach(() => {
  upstream.calls.length = 0;
  upstream.run = ({ arguments: args }) => ({ content: [{ type: 'text', text: JSON.stringify(args) }] });
});

const call = (args: Record<string, unknown> = {}) =>
  openModernWire(`${app.url}/acme/mcp/files`, key, {}).request('tools/call', { name: 'retrieve', arguments: args });
const raw = async (body: string) => {
  const headers = {
    ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    accept: 'application/json, text/event-stream',
  };
  return (await fetch(`${app.url}/acme/mcp/files`, { method: 'POST', headers, body })).text();
};

async function set(...args: string[]): Promise<void> {
  const done = await run('filter', 'set', 'dlp', ...args);
  expect([done.code, done.err]).toEqual([0, expect.anything()]);
}

/** Waits until the gateway has heard of it. */
async function inForce(check: () => Promise<boolean>): Promise<void> {
  await vi.waitFor(async () => expect(await check()).toBe(true), 5000);
}

const base64 = Buffer.from(`key ${canary} end`).toString('base64');
const wrapped = base64.replace(/(.{10})/g, '$1\r\n');
const halves = [`it is ${canary.slice(0, 9)}`, `${canary.slice(9)} and more`];
const wide = canary.replace(/./g, (letter) => String.fromCodePoint((letter.codePointAt(0) ?? 0) + 0xfee0));
/** Other ways to write it, none of which may be left. */
const disguises = [base64, wrapped, wide, [...canary].join('\u200b'), canary.slice(1), halves[1] ?? ''];
const places: Readonly<Record<string, object>> = {
  text: { content: [{ type: 'text', text: `it is ${canary}.` }] },
  'a second block': {
    content: [
      { type: 'text', text: 'no' },
      { type: 'text', text: canary },
    ],
  },
  'structured content': { content: [], structuredContent: { deep: [{ er: canary }] } },
  'a key of an object': { content: [], structuredContent: { [canary]: 1 } },
  '_meta of the result': { content: [], _meta: { note: canary } },
  '_meta of a block': { content: [{ type: 'text', text: 'no', _meta: { note: canary } }] },
  'a resource link': { content: [{ type: 'resource_link', uri: `https://x.example/?k=${canary}`, name: 'x' }] },
  'an embedded resource': { content: [{ type: 'resource', resource: { uri: 'x://y', text: canary } }] },
  'an embedded blob': { content: [{ type: 'resource', resource: { uri: 'x://y', blob: base64 } }] },
  'base64 in a text': { content: [{ type: 'text', text: base64 }] },
  'base64 in the middle of a text': { content: [{ type: 'text', text: `see ${base64}, please` }] },
  'base64 behind a word': { content: [{ type: 'text', text: `data\n${base64}` }] },
  'base64 in lines': { content: [{ type: 'text', text: wrapped }] },
  'a data URI': { content: [{ type: 'resource_link', uri: `data:text/plain;base64,${base64}`, name: 'x' }] },
  'base64 of base64': { content: [{ type: 'text', text: Buffer.from(base64).toString('base64') }] },
  'two blocks, half in each': { content: halves.map((text) => ({ type: 'text', text })) },
  'a list, half in each': { content: [], structuredContent: { halves } },
  'full-width letters': { content: [{ type: 'text', text: wide }] },
  'letters with nothing between them': { content: [{ type: 'text', text: [...canary].join('\u200b') }] },
  'escapes of JSON': { content: [{ type: 'text', text: `{"k":"\\u0041${canary.slice(1)}"}` }] },
  'escapes of URLs': { content: [{ type: 'resource_link', uri: `x://y?k=%41${canary.slice(1)}`, name: 'x' }] },
  'an error of the tool': { isError: true, content: [{ type: 'text', text: `failed with ${canary}` }] },
  'message and data of an error': { code: -32000, message: `no: ${canary}`, data: { why: canary } },
};

test('what is redacted is nowhere in an answer, wherever the server puts it [D13]', async () => {
  await set('--kind', 'secrets', '--action', 'redact', '--looks-at', 'results');
  upstream.run = () => places.text ?? {};
  await inForce(async () => !JSON.stringify(await call()).includes(canary));
  for (const [place, result] of Object.entries(places)) {
    upstream.run = () => result;
    const answer = await raw(
      JSON.stringify({
        ...{ jsonrpc: '2.0', id: 1, method: 'tools/call' },
        params: { name: 'retrieve', arguments: {} },
      }),
    );
    const modern = await call().then(JSON.stringify, (error: unknown) => JSON.stringify([String(error), error]));
    for (const text of [answer, modern]) {
      expect([place, text]).toEqual([place, expect.not.stringContaining(canary)]);
      for (const disguise of disguises)
        expect([place, text]).toEqual([place, expect.not.stringContaining(JSON.stringify(disguise).slice(1, -1))]);
    }
    expect([place, modern]).toEqual([place, expect.stringContaining('[redacted]')]);
  }
});

test('what is said in the middle of a call is looked through as well [D13]', async () => {
  upstream.run = ({ log }) => {
    log({ said: canary });
    return { content: [{ type: 'text', text: 'done' }] };
  };
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': {},
    'io.modelcontextprotocol/clientInfo': { name: 'by-hand', version: '1' },
    'io.modelcontextprotocol/logLevel': 'debug',
  };
  const headers = {
    ...{ authorization: `Bearer ${key}`, 'content-type': 'application/json', 'mcp-method': 'tools/call' },
    ...{ accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28', 'mcp-name': 'retrieve' },
  };
  const params = { name: 'retrieve', arguments: {}, _meta: meta };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params });
  const text = await (await fetch(`${app.url}/acme/mcp/files`, { method: 'POST', headers, body })).text();
  expect(text).toContain('done');
  expect(text).not.toContain(canary);
});

test('what is blocked in arguments never reaches the server, through no door [D13]', async () => {
  await set('--kind', 'secrets', '--action', 'block', '--looks-at', 'arguments');
  await inForce(() =>
    call({ q: canary }).then(
      () => false,
      () => true,
    ),
  );
  upstream.calls.length = 0;
  upstream.upstream.clear();
  for (const args of [{ q: canary }, { deep: [{ er: `x ${canary}` }] }, { [canary]: true }, { blob: base64 }])
    await expect(call(args)).rejects.toThrow('Blocked by the content filter "dlp"');
  const rest = await fetch(`${app.url}/api/servers/files/tools/retrieve`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ q: canary }),
  });
  expect(rest.ok).toBe(false);
  expect(upstream.calls).toEqual([]);
  expect(upstream.upstream.bytes().includes(canary)).toBe(false);
  await call({ q: 'harmless' });
  expect(upstream.calls).toHaveLength(1);
});

test('personal data, size and expressions of its own are kinds of filters; a wrong one is refused when it is set', async () => {
  await set('--kind', 'personal-data', '--action', 'redact');
  await inForce(async () => JSON.stringify(await call({ to: 'ann@example.com' })).includes('[redacted]'));
  const seen = JSON.stringify(
    await call({ card: 4111111111111111, look: '4111 1111 1111 1112', iban: 'DE89 3704 0044 0532 0130 00' }),
  );
  expect(seen).not.toMatch(/4111111111111111|DE89/);
  expect(seen).toContain('4111 1111 1111 1112');
  await set('--kind', 'size', '--action', 'block', '--config', '{"maxBytes":300}');
  await inForce(() =>
    call({ q: 'x'.repeat(400) }).then(
      () => false,
      () => true,
    ),
  );
  await set(
    '--kind',
    'pattern',
    '--action',
    'redact',
    '--config',
    '{"patterns":[{"name":"project","expression":"Project-[A-Z]+"}]}',
  );
  await inForce(async () => JSON.stringify(await call({ q: 'Project-OWL' })).includes('[redacted]'));
  // Exponential elsewhere.
  const hard = '{"patterns":[{"name":"hard","expression":"(a+)+$"}]}';
  await set('--kind', 'pattern', '--action', 'flag', '--config', hard);
  const started = performance.now();
  await call({ q: `${'a'.repeat(50_000)}!` });
  expect(performance.now() - started).toBeLessThan(3000);
  const wrong = await run(
    'filter',
    'set',
    'bad',
    '--kind',
    'pattern',
    '--action',
    'flag',
    '--config',
    '{"patterns":[{"name":"x","expression":"(?=x)"}]}',
  );
  expect([wrong.code === 0, wrong.err]).toEqual([false, expect.stringContaining('RE2')]);
  expect((await run('filter', 'list')).out).toContain('dlp');
  expect((await run('filter', 'remove', 'dlp')).code).toBe(0);
});

test('what filters found is in the row of the call, by name and never by content [S3.33]', async () => {
  const rows = () =>
    database.sql(`select distinct jsonb_array_elements_text(detail -> 'findings') as finding from gateway.audit`);
  await expect.poll(rows, { timeout: 5000 }).toContainEqual({ finding: expect.stringMatching(/^dlp:[^:]+:redact/) });
  const all = JSON.stringify(await database.sql('select * from gateway.audit'));
  for (const found of [canary, 'ann@example.com', 'Project-OWL']) expect(all).not.toContain(found);
});
