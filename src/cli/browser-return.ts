/** A sign-in with the browser of this machine: opening it, and hearing on loopback how it ended (RFC 8252 7.3). */
import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { GatehouseError } from '#core/error.ts';
import type { Io } from './io.ts';

export interface BrowserReturn {
  /** Rejects after five minutes, and when the sign-in ended otherwise. */
  readonly answer: Promise<URLSearchParams>;
  close(): void;
}

const PATIENCE_MS = 300_000;

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Only the browser that we sent knows the state: whatever else comes here is told nothing. */
export async function listenForBrowser(port: number, state: string): Promise<BrowserReturn> {
  const { promise, resolve, reject } = Promise.withResolvers<URLSearchParams>();
  const server = createServer((req, res) => {
    const { pathname, searchParams } = new URL(req.url ?? '/', 'http://127.0.0.1');
    const isOurs = pathname === '/callback' && searchParams.get('state') === state;
    const text = isOurs ? 'Done: you can close this page.' : 'Nothing here.';
    res.writeHead(isOurs ? 200 : 404, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
    res.end(text);
    if (!isOurs) return;
    const error = searchParams.get('error');
    if (error === null) resolve(searchParams);
    else reject(new GatehouseError('invalid_token', { message: `The sign-in ended with ${error.slice(0, 100)}` }));
  });
  const timer = setTimeout(
    () => reject(new GatehouseError('invalid_token', { message: 'Nobody signed in within five minutes' })),
    PATIENCE_MS,
  );
  await new Promise<void>((done, failed) => {
    server.once('error', (cause) =>
      failed(
        new GatehouseError('setting', { message: `Port ${port} of this machine is taken: run --reset-auth`, cause }),
      ),
    );
    server.listen(port, '127.0.0.1', () => done());
  });
  promise.catch(() => undefined);
  return {
    answer: promise,
    close() {
      clearTimeout(timer);
      server.close();
    },
  };
}

/** BROWSER=none: the address that was printed is enough. */
export function openBrowser(url: URL, env: Io['env']): void {
  if (env.BROWSER === 'none' || !/^https?:$/.test(url.protocol)) return;
  const [command, ...args] =
    process.platform === 'darwin'
      ? ['open']
      : process.platform === 'win32'
        ? ['rundll32', 'url.dll,FileProtocolHandler']
        : ['xdg-open'];
  if (command === undefined) return;
  const child = spawn(command, [...args, url.href], { stdio: 'ignore', detached: true, shell: false });
  child.once('error', () => undefined);
  child.unref();
}
