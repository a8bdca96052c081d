import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openBrowserJar } from '#kit/browser-jar.ts';
import { bearer, send } from '#kit/http-client.ts';
import { type BridgeWorld, startBridgeWorld } from '#kit/identity/bridge-world.ts';
import { ada, anotherTenant, aTenant } from '#kit/identity/fake-entra.ts';
import type { EntraUser } from '#kit/identity/fake-entra-tokens.ts';
import { authorization } from '#kit/sign-in.ts';

const redirectUri = 'http://127.0.0.1:8976/callback';
const staffGroup = '93000000-0000-4000-8000-000000000007';
const grace: EntraUser = { ...ada, groups: [staffGroup] };
/** Same e-mail address, same object id even: another directory. */
const eve: EntraUser = { ...grace };

describe('our own authorization server with Entra ID behind it', () => {
  let world: BridgeWorld;
  beforeAll(async () => {
    world = await startBridgeWorld({
      entra: {
        tenants: { [aTenant]: [grace], [anotherTenant]: [eve] },
        desktop: ['http://localhost/callback'],
      },
      extraYaml: `
identity:
  - kind: entra
    mode: broker
    tenantId: ${aTenant}
    clientId: \${ENTRA_CLIENT_ID}
    organization: contoso
    roleMapping: { ${staffGroup}: [staff] }
`,
    });
  });
  afterAll(() => world?.close());

  async function signIn() {
    const registered = await send(`${world.url}/register`, {
      body: { redirect_uris: [redirectUri], client_name: 'Broker test', token_endpoint_auth_method: 'none' },
    });
    const { client_id: clientId } = registered.json as { readonly client_id: string };
    const { url, verifier } = authorization({
      issuer: world.url,
      clientId,
      redirectUri,
      resource: `${world.url}/mcp/staff`,
    });
    const leaves = (target: string) => target.startsWith(redirectUri) || target.includes('microsoftonline');
    const jar = openBrowserJar(leaves);
    const atEntra = await jar.submit(await jar.open(url), { with: 'entra' });
    const back = (await world.fetch(atEntra.url)).headers.get('location') ?? '';
    if (!back.startsWith(world.url)) return { atEntra, back, token: undefined };
    const done = await jar.open(back);
    const code = new URL(done.url).searchParams.get('code') ?? '';
    const answer = await send(`${world.url}/token`, {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        client_id: clientId,
        redirect_uri: redirectUri,
        code,
        code_verifier: verifier,
      }).toString(),
    });
    return { atEntra, back, token: (answer.json as { readonly access_token?: string }).access_token };
  }

  test('a person signs in at Entra, her group is a role, the token is ours and Entra never sees our resource [S2.6]', async () => {
    const { atEntra, token = '' } = await signIn();
    expect(new URL(atEntra.url).pathname).toBe(`/${aTenant}/oauth2/v2.0/authorize`);
    expect(new URL(atEntra.url).search).not.toMatch(/resource|prompt/);
    const claims = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
    expect(claims).toMatchObject({ iss: world.url, aud: `${world.url}/mcp/staff`, email: ada.email });
    const ping = { jsonrpc: '2.0', id: 1, method: 'ping' };
    expect((await send(`${world.gateway.url}/mcp/staff`, { headers: bearer(token), body: ping })).status).toBe(200);
    // What Entra itself gave is for us alone.
    for (const foreign of world.entra.issued) {
      const answer = await send(`${world.gateway.url}/mcp/staff`, { headers: bearer(foreign), body: ping });
      expect(answer.status).toBe(401);
    }
  });

  test('somebody of another directory does not get in [B5] [B6]', async () => {
    world.entra.signInAs(anotherTenant, eve);
    const { atEntra, token } = await signIn();
    expect(await (await world.fetch(atEntra.url)).text()).toContain('AADSTS50020');
    expect(token).toBeUndefined();
  });
});
