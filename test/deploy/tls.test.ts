/** TLS that ends in the gateway itself. */
import { chmodSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type RunningGateway, startGateway } from '#kit/gateway.ts';
import { createSelfSigned, type SelfSigned } from '#kit/identity/self-signed.ts';

const folder = mkdtempSync(join(tmpdir(), 'gatehouse-tls-'));
const certFile = join(folder, 'cert.pem');
const keyFile = join(folder, 'key.pem');
let first: SelfSigned;
let gateway: RunningGateway;
let port: number;

/** As renewals do: written beside, then moved. */
function place(pair: Partial<SelfSigned>): void {
  for (const [file, text] of [
    [keyFile, pair.key],
    [certFile, pair.cert],
  ] as const) {
    if (text === undefined) continue;
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }
}

beforeAll(async () => {
  first = createSelfSigned(['localhost', 'mcp.example.com']);
  place(first);
  port = await freePort();
  gateway = await startGateway({
    configYaml: 'organizations: [{ slug: acme, name: Acme }]\n',
    env: {
      ...{ TLS_CERT_PATH: certFile, TLS_KEY_PATH: keyFile, PORT: String(port) },
      BASE_URL: `https://localhost:${port}`,
    },
  });
}, 60_000);
afterAll(async () => {
  await gateway?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address ? address.port : 0;
}

const ask = (path: string, ca: string) =>
  new Promise<number | undefined>((resolve, reject) => {
    const sending = request({ host: 'localhost', port, path, ca, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    sending.on('error', reject).end();
  });

test('it speaks TLS with the given certificate, version 1.2 or newer, and HTTP/1.1 alone [S2.1]', async () => {
  expect(await ask('/health', first.cert)).toBe(200);
  expect(await ask('/mcp', first.cert)).toBe(401);
  const offered = await new Promise<unknown>((resolve, reject) => {
    const options = { host: 'localhost', port, ca: first.cert, ALPNProtocols: ['h2', 'http/1.1'] };
    const socket = connect(options, () => {
      resolve([socket.alpnProtocol, socket.getProtocol()]);
      socket.destroy();
    }).on('error', reject);
  });
  expect(offered).toEqual(['http/1.1', 'TLSv1.3']);
  const old = connect({ host: 'localhost', port, ca: first.cert, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' });
  await expect(
    new Promise((resolve, reject) => old.on('error', reject).on('secureConnect', resolve)),
  ).rejects.toThrow();
});

test('plain HTTP on that port is no conversation; commands on this machine have a way of their own', async () => {
  const answer = await new Promise<string>((resolve) => {
    let heard = '';
    const socket = connectPlain(port, '127.0.0.1', () => socket.write('GET /health HTTP/1.1\r\nHost: x\r\n\r\n'));
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1');
    });
    socket.on('error', () => undefined).on('close', () => resolve(heard));
  });
  expect(answer).not.toContain('HTTP/1.1');
  expect(gateway.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
  expect(await gateway.cli('org', 'list')).toMatchObject([{ slug: 'acme' }]);
});

test('a renewed certificate is served within seconds, a broken one never, and no connection is lost', async () => {
  const open = connect({ host: 'localhost', port, ca: first.cert });
  await new Promise((resolve) => open.once('secureConnect', resolve));
  const second = createSelfSigned(['localhost']);
  place({ cert: second.cert });
  await until(() => gateway.output().includes('the certificate is not accepted'));
  expect(await ask('/health', first.cert)).toBe(200);
  place(second);
  await until(() =>
    ask('/health', second.cert).then(
      (status) => status === 200,
      () => false,
    ),
  );
  await expect(ask('/health', first.cert)).rejects.toThrow();
  open.write('GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  const [line] = await new Promise<string[]>((resolve) => {
    open.once('data', (chunk: Buffer) => resolve(chunk.toString().split('\r\n')));
  });
  expect(line).toBe('HTTP/1.1 200 OK');
  open.destroy();
}, 30_000);

test('a key that others can read is said at the start; files that do not fit refuse it [S2.32]', async () => {
  const other = createSelfSigned(['localhost']);
  writeFileSync(join(folder, 'other.pem'), other.key, { mode: 0o600 });
  const start = (env: Readonly<Record<string, string>>) => startGateway({ configYaml: 'organizations: []\n', env });
  await expect(start({ TLS_CERT_PATH: certFile, TLS_KEY_PATH: join(folder, 'other.pem') })).rejects.toThrow(
    /do not belong together|not PEM files/,
  );
  await expect(start({ TLS_CERT_PATH: join(folder, 'no.pem'), TLS_KEY_PATH: keyFile })).rejects.toThrow(
    /no\.pem cannot be read: correct TLS_CERT_PATH/,
  );
  chmodSync(keyFile, 0o644);
  const open = await start({ TLS_CERT_PATH: certFile, TLS_KEY_PATH: keyFile });
  expect(open.output()).toMatch(/can read the key of the certificate: chmod 600/);
  await open.stop();
}, 60_000);

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 150; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect.fail('it never came to be');
}
