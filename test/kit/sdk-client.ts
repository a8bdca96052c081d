/**
 * The official SDKs as a program would use them, from nothing but a URL: their transport finds out that sign-in is needed,
 * their `auth` does it, and a browser is sent wherever they say. Both versions behind one interface.
 */
import {
  Client,
  type OAuthClientProvider,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';
import { UnauthorizedError as OldUnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import {
  StreamableHTTPClientTransport as OldTransport,
  type StreamableHTTPClientTransportOptions as OldTransportOptions,
} from '@modelcontextprotocol/sdk/client/streamableHttp.js';

export const sdkVersions = ['1.x', '2.x'] as const;
export type SdkVersion = (typeof sdkVersions)[number];

export interface SdkClientOptions {
  readonly version: SdkVersion;
  /** The MCP endpoint: all that a person types. */
  readonly url: string;
  /** What the client's own listener would have; nothing listens there. */
  readonly redirectUrl: string;
  /** The address a browser ends at, which begins with `redirectUrl`. */
  readonly browse: (url: URL) => Promise<URL>;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** Set: the client id is this URL (Client ID Metadata Document), nothing is registered. */
  readonly clientMetadataUrl?: string;
}

type Tokens = Awaited<ReturnType<OAuthClientProvider['tokens']>>;
type Information = Awaited<ReturnType<OAuthClientProvider['clientInformation']>>;

export interface SdkClient {
  /** Connects, signing in where that is needed, and calls a tool. The text of its answer. */
  call(name: string, args?: Readonly<Record<string, unknown>>): Promise<string>;
  /** Of the program's memory. */
  tokens(): Tokens;
  information(): Information;
  /** How often a browser was opened. */
  signIns(): number;
  /** Requests of the program so far, `POST /token 200`; cleared by `forgetRequests`. */
  requests(): readonly string[];
  forgetRequests(): void;
  /** Ends the connection; the memory stays. */
  close(): Promise<void>;
}

interface Connection {
  call(name: string, args: Record<string, unknown>): Promise<unknown>;
  close(): Promise<void>;
}

export function openSdkClient(options: SdkClientOptions): SdkClient {
  const { provider, memory } = openMemory(options);
  const seen: string[] = [];
  const watched: typeof globalThis.fetch = async (input, init) => {
    const answer = await (options.fetch ?? fetch)(input, init);
    const { pathname } = new URL(input instanceof Request ? input.url : input);
    seen.push(`${init?.method ?? 'GET'} ${pathname} ${answer.status}`);
    return answer;
  };
  const connect = connectors[options.version];
  let connection: Connection | undefined;
  let signIns = 0;

  async function withSignIn<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (thrown) {
      if (!(thrown instanceof UnauthorizedError || thrown instanceof OldUnauthorizedError)) throw thrown;
      signIns++;
      await connection?.close();
      connection = undefined;
      const back = await options.browse(memory.opened());
      await connect(options.url, provider, watched).finish(back.searchParams);
      return work();
    }
  }

  return {
    call: (name, args = {}) =>
      withSignIn(async () => {
        connection ??= await connect(options.url, provider, watched).open();
        return textOf(await connection.call(name, { ...args }));
      }),
    tokens: memory.tokens,
    information: memory.information,
    signIns: () => signIns,
    requests: () => seen,
    forgetRequests: () => void seen.splice(0),
    async close() {
      await connection?.close();
      connection = undefined;
    },
  };
}

type Connector = (
  url: string,
  provider: OAuthClientProvider,
  fetch: typeof globalThis.fetch,
) => { open(): Promise<Connection>; finish(answer: URLSearchParams): Promise<void> };

const info = { name: 'sign-in-test', version: '1.0.0' };

const connectors: Readonly<Record<SdkVersion, Connector>> = {
  '1.x': (url, authProvider, fetch) => {
    // Its types and those of 2.x differ in fields that neither asks of the other.
    const given = { authProvider, fetch } as OldTransportOptions;
    const transport = new OldTransport(new URL(url), given);
    return {
      finish: (answer) => transport.finishAuth(answer.get('code') ?? ''),
      async open() {
        const client = new OldClient(info);
        await client.connect(transport);
        return { call: (name, args) => client.callTool({ name, arguments: args }), close: () => client.close() };
      },
    };
  },
  '2.x': (url, authProvider, fetch) => {
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider, fetch });
    return {
      // The whole answer: `iss` is checked (RFC 9207).
      finish: (answer) => transport.finishAuth(answer),
      async open() {
        const client = new Client(info);
        await client.connect(transport);
        return { call: (name, args) => client.callTool({ name, arguments: args }), close: () => client.close() };
      },
    };
  },
};

function openMemory({ redirectUrl, clientMetadataUrl }: SdkClientOptions) {
  let client: Information;
  let tokens: Tokens;
  let verifier = '';
  let opened: URL | undefined;
  let discovered: Parameters<NonNullable<OAuthClientProvider['saveDiscoveryState']>>[0] | undefined;
  const provider: OAuthClientProvider = {
    redirectUrl,
    ...(clientMetadataUrl !== undefined && { clientMetadataUrl }),
    clientMetadata: {
      redirect_uris: [redirectUrl],
      client_name: 'Official SDK',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
    },
    state: () => crypto.randomUUID(),
    clientInformation: () => client,
    saveClientInformation: (saved) => {
      client = saved;
    },
    tokens: () => tokens,
    saveTokens: (saved) => {
      tokens = saved;
    },
    redirectToAuthorization: (url) => {
      opened = url;
    },
    saveCodeVerifier: (saved) => {
      verifier = saved;
    },
    codeVerifier: () => verifier,
    saveDiscoveryState: (saved) => {
      discovered = saved;
    },
    discoveryState: () => discovered,
    invalidateCredentials: (scope) => {
      if (scope === 'all' || scope === 'client') client = undefined;
      if (scope === 'all' || scope === 'tokens') tokens = undefined;
      if (scope === 'all' || scope === 'discovery') discovered = undefined;
    },
  };
  const memory = {
    tokens: () => tokens,
    information: () => client,
    opened(): URL {
      if (!opened) throw new Error('the client opened no browser');
      return opened;
    },
  };
  return { provider, memory };
}

function textOf(result: unknown): string {
  const content = typeof result === 'object' && result !== null && 'content' in result ? result.content : undefined;
  const [first]: readonly unknown[] = Array.isArray(content) ? content : [];
  if (typeof first === 'object' && first !== null && 'text' in first && typeof first.text === 'string')
    return first.text;
  throw new Error(`no text in ${JSON.stringify(result)}`);
}
