/** The OAuth side of `connect`: registers a client, sends the person to a browser, and hears how it went. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OAuthClientProvider, OAuthDiscoveryState } from '@modelcontextprotocol/client';
import { GatehouseError } from '#core/error.ts';
import type { ConnectStore } from './connect-store.ts';
import type { Io } from './io.ts';

export interface SignIn {
  readonly provider: OAuthClientProvider;
  /** The browser was sent: resolves with what it came back with. Rejects after five minutes. */
  answer(): Promise<URLSearchParams>;
  close(): void;
}

const PATIENCE_MS = 300_000;

/** `interactive` false: nobody is sent to a browser; what needs one fails. */
export async function openSignIn(io: Io, store: ConnectStore, interactive: boolean): Promise<SignIn> {
  const port = store.read().port ?? (await freePort());
  const redirectUrl = `http://127.0.0.1:${port}/callback`;
  const state = randomBytes(24).toString('base64url');
  let verifier = '';
  let waiting: { readonly answer: Promise<URLSearchParams>; close(): void } | undefined;
  const provider: OAuthClientProvider = {
    redirectUrl,
    clientMetadata: {
      redirect_uris: [redirectUrl],
      client_name: 'gatehouse connect',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    state: () => state,
    clientInformation: () => store.read().client,
    saveClientInformation: (client) => store.write({ client: { ...client }, port }),
    tokens: () => store.read().tokens,
    saveTokens: (tokens) => store.write({ tokens: { ...tokens } }),
    saveCodeVerifier(given) {
      verifier = given;
    },
    codeVerifier: () => verifier,
    // What was written is what the SDK handed over.
    discoveryState: () => store.read().discovery as OAuthDiscoveryState | undefined,
    saveDiscoveryState: (discovery) => store.write({ discovery: { ...discovery } }),
    invalidateCredentials(scope) {
      if (scope === 'all' || scope === 'client') store.write({ client: undefined });
      if (scope === 'all' || scope === 'tokens') store.write({ tokens: undefined });
      if (scope === 'all' || scope === 'discovery') store.write({ discovery: undefined });
    },
    async redirectToAuthorization(url) {
      if (!interactive)
        throw new GatehouseError('invalid_token', { message: 'There is no token that works: sign in with --token' });
      waiting?.close();
      waiting = await listenFor(port, state);
      io.err(`Sign in with your browser: ${url.href}\n`);
      openBrowser(url, io.env);
    },
  };
  return {
    provider,
    async answer() {
      if (!waiting)
        throw new GatehouseError('invalid_token', { message: 'The server wants a sign-in that it does not describe' });
      try {
        return await waiting.answer;
      } finally {
        waiting.close();
        waiting = undefined;
      }
    },
    close: () => waiting?.close(),
  };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}

/** Only the browser that we sent knows the state: whatever else comes here is told nothing. */
async function listenFor(port: number, state: string) {
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
function openBrowser(url: URL, env: Io['env']): void {
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
