/** The OAuth side of `connect`: registers a client, sends the person to a browser, and hears how it went. */
import { randomBytes } from 'node:crypto';
import type { OAuthClientProvider, OAuthDiscoveryState } from '@modelcontextprotocol/client';
import { GatehouseError } from '#core/error.ts';
import { type BrowserReturn, freePort, listenForBrowser, openBrowser } from './browser-return.ts';
import type { ConnectStore } from './connect-store.ts';
import type { Io } from './io.ts';

export interface SignIn {
  readonly provider: OAuthClientProvider;
  /** The browser was sent: resolves with what it came back with. Rejects after five minutes. */
  answer(): Promise<URLSearchParams>;
  close(): void;
}

/** `interactive` false: nobody is sent to a browser; what needs one fails. */
export async function openSignIn(io: Io, store: ConnectStore, interactive: boolean): Promise<SignIn> {
  const port = store.read().port ?? (await freePort());
  const redirectUrl = `http://127.0.0.1:${port}/callback`;
  const state = randomBytes(24).toString('base64url');
  let verifier = '';
  let waiting: BrowserReturn | undefined;
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
      waiting = await listenForBrowser(port, state);
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
