import { auth, Client, type OAuthClientProvider, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { auth as oldAuth } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { bearer, send } from '#kit/http-client.ts';
import { type BridgeWorld, startBridgeWorld } from '#kit/identity/bridge-world.ts';
import { ada } from '#kit/identity/fake-entra.ts';

const info = { name: 'bridge-test', version: '1.0.0' };

describe('MCP clients that know nothing but a URL', () => {
  let world: BridgeWorld;
  beforeAll(async () => {
    world = await startBridgeWorld();
  });
  afterAll(() => world?.close());
  beforeEach(() => world.upstream.clear());

  /** A client's memory, and the browser that it sends people to. */
  function memory(redirectUrl: string) {
    type Provider = OAuthClientProvider;
    let client: Awaited<ReturnType<Provider['clientInformation']>>;
    let tokens: Awaited<ReturnType<Provider['tokens']>>;
    let verifier = '';
    let opened: URL | undefined;
    let discovered: Parameters<NonNullable<Provider['saveDiscoveryState']>>[0] | undefined;
    const provider: Provider = {
      redirectUrl,
      clientMetadata: {
        redirect_uris: [redirectUrl],
        client_name: 'Bridge test',
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: 'none',
        scope: 'mcp:read mcp:write offline_access',
      },
      state: () => 'state-of-the-client',
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
    };
    return {
      provider,
      opened: () => opened,
      tokens: () => tokens,
      replaceTokens: (next: typeof tokens) => {
        tokens = next;
      },
      /** From the page that the client opened to what its own listener gets. */
      async browse(): Promise<URLSearchParams> {
        let url = opened?.href ?? '';
        for (let hop = 0; hop < 5; hop++) {
          const answer = await world.fetch(url);
          url = answer.headers.get('location') ?? '';
          if (url.startsWith(redirectUrl)) return new URL(url).searchParams;
        }
        throw new Error(`never came back: ${url}`);
      },
    };
  }

  const address = () => `${world.url}/mcp/code`;

  const clients = {
    'version 1': {
      auth: (provider: OAuthClientProvider, code?: string) =>
        oldAuth(provider as Parameters<typeof oldAuth>[0], {
          serverUrl: address(),
          ...(code !== undefined && { authorizationCode: code }),
        }),
      connect: async (provider: OAuthClientProvider) => {
        const client = new OldClient(info);
        await client.connect(
          new OldTransport(new URL(address()), { authProvider: provider as Parameters<typeof oldAuth>[0] }),
        );
        return client;
      },
      port: 41_733,
    },
    'version 2': {
      auth: (provider: OAuthClientProvider, code?: string) =>
        auth(provider, { serverUrl: address(), ...(code !== undefined && { authorizationCode: code }) }),
      connect: async (provider: OAuthClientProvider) => {
        const client = new Client(info);
        await client.connect(new StreamableHTTPClientTransport(new URL(address()), { authProvider: provider }));
        return client;
      },
      port: 52_911,
    },
  };

  test.each(Object.entries(clients))(
    'the official client of %s signs in, calls a tool and refreshes [S2.1] [S2.2] [S2.3] [S2.4] [S2.5] [S2.6] [S2.38]',
    async (_version, { auth: run, connect, port }) => {
      const { provider, opened, browse, tokens, replaceTokens } = memory(`http://127.0.0.1:${port}/mcp/oauth/callback`);
      expect(await run(provider)).toBe('REDIRECT');
      expect(opened()?.origin).toBe(world.url);
      expect(opened()?.pathname).toBe('/oauth2/authorize');
      const back = await browse();
      expect(back.get('state')).toBe('state-of-the-client');
      expect(await run(provider, back.get('code') ?? '')).toBe('AUTHORIZED');
      expect(JSON.parse(Buffer.from(tokens()?.access_token.split('.')[1] ?? '', 'base64url').toString())).toMatchObject(
        {
          aud: world.entra.clientId,
          oid: ada.oid,
        },
      );

      const client = await connect(provider);
      await client.callTool({ name: 'echo', arguments: { text: 'hi' } });
      await client.close();

      const before = tokens();
      if (before) replaceTokens({ ...before, access_token: 'expired' });
      expect(await run(provider)).toBe('AUTHORIZED');
      const renewed = tokens()?.access_token ?? '';
      const answer = await send(address(), {
        headers: bearer(renewed),
        body: { jsonrpc: '2.0', id: 1, method: 'ping' },
      });
      expect(answer.status).toBe(200);
      expect(world.upstream.bytes().includes(renewed)).toBe(false);
    },
  );

  test('everything that went to Entra went through the forward proxy of HTTPS_PROXY [S2.40]', () => {
    expect(world.names.asked.length).toBeGreaterThan(0);
    expect(new Set(world.names.asked)).toEqual(new Set(['CONNECT login.microsoftonline.com:443']));
  });
});
