/** What becomes of a connection of the official SDKs: tokens that expire, are revoked, a gateway that starts anew. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BrokeredWorld, startBrokeredWorld } from '#kit/brokered-world.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { openSdkClient, type SdkVersion, sdkVersions } from '#kit/sdk-client.ts';

const redirectUrl = 'http://localhost:41733/callback';
const accessTokenSeconds = 60;
/** Others' clocks may be a minute behind. */
const toleranceSeconds = 60;

let world: BrokeredWorld;
beforeAll(async () => {
  world = await startBrokeredWorld({
    database: await createTestDatabase(),
    clockStepSeconds: accessTokenSeconds + toleranceSeconds + 5,
    extraYaml: `oauth: { accessTokenSeconds: ${accessTokenSeconds} }\n`,
  });
}, 120_000);
afterAll(() => world?.close());

const open = (version: SdkVersion) =>
  openSdkClient({
    version,
    url: `${world.issuer}/acme/mcp/docs`,
    redirectUrl,
    browse: (url) => world.signIn(url, { with: 'local', redirectUri: redirectUrl }),
  });

async function signedIn(version: SdkVersion) {
  const client = open(version);
  await client.call('echo', { n: 1 });
  client.forgetRequests();
  return client;
}

const revoke = (token: string, clientId: string) =>
  fetch(`${world.issuer}/revoke`, { method: 'POST', body: new URLSearchParams({ token, client_id: clientId }) });

describe.each(sdkVersions)('the SDK %s', (version) => {
  test('renews an access token that expired while it was connected; nobody is asked anything [S1.15] [S1.16] [S1.41]', async () => {
    const client = await signedIn(version);
    const before = client.tokens();
    await world.moveClock();
    expect(await client.call('echo', { n: 2 })).toBe('{"n":2}');
    expect(client.requests()).toContain('POST /acme/mcp/docs 401');
    expect(client.requests()).toContain('POST /token 200');
    expect(client.signIns()).toBe(1);
    expect(client.tokens()?.access_token).not.toBe(before?.access_token);
    // Rotated: the old one is spent.
    expect(client.tokens()?.refresh_token).toEqual(expect.any(String));
    expect(client.tokens()?.refresh_token).not.toBe(before?.refresh_token);
    await client.close();
  });

  test('is refused at its next call once its grant is revoked, and signs in anew [S1.21] [S1.26]', async () => {
    const client = await signedIn(version);
    const { refresh_token: token = '' } = client.tokens() ?? {};
    expect((await revoke(token, client.information()?.client_id ?? '')).status).toBe(200);
    await expect.poll(() => call(client.tokens()?.access_token ?? ''), { timeout: 1000, interval: 20 }).toBe(401);
    expect(await client.call('echo', { n: 3 })).toBe('{"n":3}');
    expect(client.requests()).toContain('POST /acme/mcp/docs 401');
    expect(client.requests()).toContain('POST /token 400');
    expect(client.signIns()).toBe(2);
    await client.close();
  });

  test('goes on without noticing when only its access token is revoked: it has another one made [S1.21]', async () => {
    const client = await signedIn(version);
    const { access_token: token = '' } = client.tokens() ?? {};
    expect((await revoke(token, client.information()?.client_id ?? '')).status).toBe(200);
    await expect.poll(() => call(token), { timeout: 1000, interval: 20 }).toBe(401);
    expect(await client.call('echo', { n: 4 })).toBe('{"n":4}');
    await client.close();
  });

  test('neither connection, nor token, nor registration is lost when the gateway starts anew [S1.3]', async () => {
    const client = await signedIn(version);
    await world.restart();
    expect(await client.call('echo', { n: 5 })).toBe('{"n":5}');
    expect(client.requests().filter((line) => !line.startsWith('GET'))).toEqual(['POST /acme/mcp/docs 200']);
    await world.moveClock();
    expect(await client.call('echo', { n: 6 })).toBe('{"n":6}');
    expect(client.requests()).toContain('POST /token 200');
    expect(client.signIns()).toBe(1);
    await client.close();
  });
});

/** What a plain request with the token is told. */
async function call(token: string): Promise<number> {
  const answer = await fetch(`${world.issuer}/acme/mcp/docs`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
  });
  await answer.body?.cancel();
  return answer.status;
}
