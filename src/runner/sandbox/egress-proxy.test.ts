import { mkdtempSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Log } from '#core/log.ts';
import { addressGuard } from '#http/address-guard.ts';
import { noSandbox, openSandboxedRunners, runScript } from '#kit/sandbox.ts';
import { hostList, openEgressProxy } from './egress-proxy.ts';

const open = openSandboxedRunners();
const web = createServer((_request, response) => response.end('hello'));
let port = 0;
beforeAll(async () => {
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  port = (web.address() as AddressInfo).port;
});
afterAll(() => web.close());

test('a list names hosts, all below one, each with a port or any', () => {
  const isListed = hostList(['example.com', '*.acme.test:8443', 'Ü.test']);
  expect(isListed('example.com', 443)).toBe(true);
  expect(isListed('EXAMPLE.com.', 1)).toBe(true);
  expect(isListed('www.example.com', 443)).toBe(false);
  expect(isListed('badexample.com', 443)).toBe(false);
  expect(isListed('a.acme.test', 8443)).toBe(true);
  expect(isListed('a.acme.test', 443)).toBe(false);
  expect(isListed('acme.test', 8443)).toBe(false);
});

test('a program that asks without end does not fill the log [G6] [G11]', async () => {
  const path = join(mkdtempSync(join(tmpdir(), 'egress-')), 'e');
  let count = 0;
  let dropped: unknown;
  const hear = (fields: object) => {
    count++;
    if ('dropped' in fields) dropped = fields.dropped;
  };
  const log: Log = { debug() {}, info: hear, warn: hear, error: hear };
  let now = 0;
  const close = openEgressProxy({
    ...{
      path,
      allow: [],
      log,
      server: 'files',
      egress: { guard: addressGuard({}), proxyFor: () => undefined },
      clock: { monotonic: () => now },
    },
  });
  const ask = () =>
    new Promise((done) =>
      request({ socketPath: path, method: 'CONNECT', path: 'x.test:443' }).on('connect', done).on('error', done).end(),
    );
  for (let i = 0; i < 700; i++) await ask();
  expect(count).toBe(600);
  now = 60_000;
  await ask();
  expect([count, dropped]).toEqual([602, 100]);
  close();
});

describe.skipIf(noSandbox !== '')('a program that may reach some hosts', () => {
  const asked = `const http = require('http');
    const ask = (target) => new Promise((done) => { const [host, port] = process.env.HTTPS_PROXY.slice(7).split(':');
      http.request({ host, port, method: 'CONNECT', path: target }).on('connect', (res, socket) => { if (res.statusCode !== 200) return done(res.statusCode);
        socket.on('data', (d) => { done(String(d).includes('hello') ? 'hello' : String(d)); socket.destroy() }); socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') }).on('error', (e) => done(e.code)).end() });
    (async () => { const out = []; for (const target of process.argv.slice(1)) out.push(await ask(target)); console.log(JSON.stringify(out)); process.exit(0) })()`;

  test('reaches those, through the guard, and each question is on record [G6]', async () => {
    const lines: object[] = [];
    const at = (fields: object) => void lines.push(fields);
    const log: Log = { debug() {}, info: at, warn: at, error: at };
    const runner = await open({
      log,
      egress: { allow: ['allowed.test'], resolve: async () => [{ address: '127.0.0.1', family: 4 }] },
    });
    const targets = [`allowed.test:${port}`, `other.test:${port}`, 'inside.test:443', '169.254.169.254:80', 'x'];
    const { stdout, exit } = await runScript(runner, asked, {
      args: ['-e', asked, ...targets],
      label: 'files',
      permission: { network: { allow: ['allowed.test', 'inside.test'] } },
    });
    expect(exit.stderr).toBe('');
    // Listed by the program's permission, but inside this network: the operator's own list has the last word.
    expect(JSON.parse(stdout)).toEqual(['hello', 403, 403, 403, 400]);
    expect(lines).toContainEqual(
      expect.objectContaining({ server: 'files', host: 'allowed.test', port, allowed: true }),
    );
    for (const host of targets.slice(1)) {
      expect(lines).toContainEqual(expect.objectContaining({ server: 'files', host, allowed: false }));
    }
  });

  test('reaches nothing without asking [G6]', async () => {
    const script = `require('net').connect(${port}, '127.0.0.1').on('connect', () => console.log('reached')).on('error', (e) => { console.log(e.code); process.exit(0) })`;
    const { stdout } = await runScript(await open(), script, { permission: { network: { allow: ['127.0.0.1'] } } });
    expect(stdout).toBe('ECONNREFUSED');
  });
});
