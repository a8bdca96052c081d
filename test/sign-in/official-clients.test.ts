/** The official SDKs in front of the gateway as a process: they are told a URL, and nothing else. */
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Broker,
  type BrokeredWorld,
  brokers,
  documentRedirect,
  documentUrl,
  startBrokeredWorld,
} from '#kit/brokered-world.ts';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { openSdkClient, type SdkClientOptions, type SdkVersion, sdkVersions } from '#kit/sdk-client.ts';

const redirectUrl = 'http://localhost:41733/callback';

let database: TestDatabase;
let world: BrokeredWorld;
beforeAll(async () => {
  database = await createTestDatabase();
  world = await startBrokeredWorld({ database });
}, 120_000);
afterAll(() => world?.close());

const open = (version: SdkVersion, broker: Broker, more: Partial<SdkClientOptions> = {}) =>
  openSdkClient({
    version,
    url: `${world.issuer}/acme/mcp/docs`,
    redirectUrl,
    browse: (url) => world.signIn(url, { with: broker, redirectUri: more.redirectUrl ?? redirectUrl }),
    ...more,
  });

const subjects: Readonly<Record<Broker, unknown>> = {
  workos: 'user_1',
  // WorkOS has a user_1 already: somebody else.
  clerk: 'clerk|user_1',
  entra: expect.any(String),
  github: '583231',
  corp: 'grace',
  local: expect.any(String),
};

describe.each(sdkVersions)('the SDK %s', (version) => {
  test.each(brokers)(
    'signs somebody of %s in from a bare URL, registering itself, and calls a tool [S1.26]',
    async (broker) => {
      const client = open(version, broker);
      expect(await client.call('echo', { text: 'hi' })).toBe('{"text":"hi"}');
      const paths = client.requests();
      expect(paths[0]).toBe('POST /acme/mcp/docs 401');
      expect(paths).toContain('GET /.well-known/oauth-protected-resource/acme/mcp/docs 200');
      expect(paths).toContain('GET /.well-known/oauth-authorization-server 200');
      expect(paths).toContain('POST /register 201');
      expect(paths).toContain('POST /token 200');
      const claims = decodeJwt(client.tokens()?.access_token ?? '');
      expect(claims).toMatchObject({ iss: world.issuer, aud: `${world.issuer}/acme/mcp/docs` });
      expect(claims.sub).toEqual(subjects[broker]);
      expect(client.signIns()).toBe(1);
      await client.close();
    },
  );
});

test.each(sdkVersions)('the SDK %s is known by its document, nothing is registered [S1.26]', async (version) => {
  const before = await database.sql('select count(*)::int as n from gateway.oauth_clients');
  const client = open(version, 'corp', {
    clientMetadataUrl: documentUrl,
    // Any port of loopback will do (RFC 8252 7.3).
    redirectUrl: documentRedirect.replace('127.0.0.1', '127.0.0.1:52911'),
  });
  expect(await client.call('echo', { text: 'hi' })).toBe('{"text":"hi"}');
  expect(client.information()?.client_id).toBe(documentUrl);
  expect(client.requests().filter((line) => line.includes('/register'))).toEqual([]);
  expect(await database.sql('select count(*)::int as n from gateway.oauth_clients')).toEqual(before);
  expect(world.documentRequests()).toBe(1);
  await client.close();
});
