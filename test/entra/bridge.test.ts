import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Answer, bearer, send } from '#kit/http-client.ts';
import { type BridgeWorld, startBridgeWorld } from '#kit/identity/bridge-world.ts';
import { ada, anotherTenant, aTenant, busy, eve } from '#kit/identity/fake-entra.ts';
import { withOther } from '#kit/identity/fake-entra-tokens.ts';

const redirectUri = 'http://localhost:53121/mcp/oauth/callback';
const webRedirect = 'https://app.example/callback';
const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');

describe('the bridge to Entra ID', () => {
  let world: BridgeWorld;
  beforeAll(async () => {
    world = await startBridgeWorld({
      entra: { tenants: { [aTenant]: [ada, busy], [anotherTenant]: [eve] }, web: [webRedirect] },
    });
  });
  afterAll(() => world?.close());
  beforeEach(() => {
    world.upstream.clear();
    world.entra.signInAs(aTenant, ada);
  });
  afterEach(() => {
    world.entra.alterTokens(undefined);
    world.entra.break(undefined);
  });

  const at = (path: string) => world.gateway.url + path;
  const get = (path: string) => send(at(path), { method: 'GET', headers: { accept: 'application/json' } });
  const base = () => world.url;

  const question = (changes: Readonly<Record<string, string | undefined>> = {}) => {
    const all = {
      client_id: world.entra.clientId,
      redirect_uri: redirectUri,
      response_type: 'code',
      code_challenge: challenge,
      code_challenge_method: 'S256',
      state: 'st/ate +1',
      ...changes,
    };
    const given = Object.entries(all).filter((entry): entry is [string, string] => entry[1] !== undefined);
    return `/oauth2/authorize?${new URLSearchParams(given)}`;
  };
  const form = (fields: Readonly<Record<string, string>>, headers: Readonly<Record<string, string>> = {}) =>
    send(at('/oauth2/token'), {
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(fields).toString(),
    });

  async function newCode(to = redirectUri): Promise<string> {
    const ours = await get(question({ redirect_uri: to }));
    const theirs = await world.fetch(ours.headers.location ?? '');
    return new URL(theirs.headers.get('location') ?? '').searchParams.get('code') ?? '';
  }
  const codeFields = (code: string, to = redirectUri) => ({
    grant_type: 'authorization_code',
    client_id: world.entra.clientId,
    redirect_uri: to,
    code_verifier: verifier,
    code,
  });
  const signIn = async () => form({ ...codeFields(await newCode()), resource: `${base()}/mcp` });
  const tokensOf = (answer: Answer) => answer.json as Readonly<Record<string, string>>;
  const forwarded = () => {
    const last = world.entra.requests.filter(({ path }) => path.endsWith('/token')).at(-1);
    return { form: new URLSearchParams(last?.body), authorization: last?.headers.authorization };
  };
  const call = (token: string, path = '/mcp/code') =>
    send(at(path), { headers: bearer(token), body: { jsonrpc: '2.0', id: 1, method: 'ping' } });

  describe('discovery', () => {
    test('the protected resource leads to our own authorization server, whose endpoints are ours, with S256 [S2.1] [S2.2] [S2.35]', async () => {
      const challenged = await send(at('/mcp/code'), { body: { jsonrpc: '2.0', id: 1, method: 'ping' } });
      expect(challenged.status).toBe(401);
      expect(challenged.headers['www-authenticate']).toContain('/.well-known/oauth-protected-resource/mcp/code');
      expect((await get('/.well-known/oauth-protected-resource')).json).toMatchObject({
        authorization_servers: [base()],
      });
      const resource = await get('/.well-known/oauth-protected-resource/mcp/code');
      expect(resource.json).toMatchObject({ resource: `${base()}/mcp/code`, authorization_servers: [base()] });
      for (const name of ['oauth-authorization-server', 'openid-configuration']) {
        expect((await get(`/.well-known/${name}`)).json).toMatchObject({
          issuer: base(),
          authorization_endpoint: `${base()}/oauth2/authorize`,
          token_endpoint: `${base()}/oauth2/token`,
          registration_endpoint: `${base()}/register`,
          code_challenge_methods_supported: ['S256'],
        });
      }
      expect((await get('/health')).status).toBe(200);
    });

    test('unknown paths reach nothing, least of all an API of workloads [S2.1] [X2.1]', async () => {
      for (const path of ['/oauth2', '/oauth2/device', '/v2.0/authorize']) {
        expect([path, (await get(path)).status, (await send(at(path), { body: {} })).status]).toEqual([path, 404, 404]);
      }
      expect((await get('/api/v1beta/workloads')).status).toBe(401);
      expect((await send(at('/api/v1beta/workloads'), { body: { name: 'x', image: 'x' } })).status).toBe(401);
    });
  });

  describe('registration', () => {
    const register = (body: unknown) => send(at('/register'), { body });

    test('gives everybody the one client and repeats their redirect URIs [S2.3]', async () => {
      const uris = [
        redirectUri,
        'https://claude.ai/api/mcp/auth_callback',
        'cursor://anysphere.cursor-retrieval/oauth',
      ];
      const answer = await register({ redirect_uris: uris, client_name: 'Any', client_id: 'mine', scope: 'mcp:read' });
      expect(answer.status).toBe(201);
      expect(answer.headers['cache-control']).toBe('no-store');
      expect(answer.json).toMatchObject({ client_id: world.entra.clientId, redirect_uris: uris });
      for (const body of ['', 'no json', '[]', { redirect_uris: 'x' }, {}]) {
        expect((await register(body)).json).toMatchObject({ client_id: world.entra.clientId, redirect_uris: [] });
      }
    });

    test.each([
      'javascript:alert(1)',
      'JavaScript://localhost/%0aalert(1)',
      'data:text/html,x',
      'http://evil.example/callback',
      'http://localhost.evil.com/mcp/oauth/callback',
      'http://127.0.0.1.evil.com/',
      'http://localhost@evil.com/',
      'https://user:pass@app.example/',
      'https://app.example/#fragment',
      'file:///etc/passwd',
      ' https://app.example/',
      'urn:ietf:wg:oauth:2.0:oob',
      '',
    ])('neither registers nor redirects to %j [X2.3]', async (uri) => {
      expect((await register({ redirect_uris: [redirectUri, uri] })).json).toMatchObject({
        error: 'invalid_redirect_uri',
      });
      const answer = await get(question({ redirect_uri: uri }));
      expect([answer.status, answer.headers.location]).toEqual([400, undefined]);
    });
  });

  describe('authorize', () => {
    test('redirects to Entra without resource and prompt, all else as it came [S2.4] [S2.6] [X2.2]', async () => {
      const answer = await get(
        question({
          resource: `${base()}/mcp`,
          prompt: 'consent',
          scope: 'mcp:read mcp:write',
          login_hint: 'a+b@c.example',
        }),
      );
      expect(answer.status).toBe(302);
      expect(answer.headers['cache-control']).toBe('no-store');
      const url = new URL(answer.headers.location ?? '');
      expect(url.origin + url.pathname).toBe(`https://login.microsoftonline.com/${aTenant}/oauth2/v2.0/authorize`);
      expect(Object.fromEntries(url.searchParams)).toEqual({
        client_id: world.entra.clientId,
        redirect_uri: redirectUri,
        response_type: 'code',
        code_challenge: challenge,
        code_challenge_method: 'S256',
        state: 'st/ate +1',
        login_hint: 'a+b@c.example',
        scope: 'openid profile email offline_access',
      });
    });

    test('every copy of resource and prompt is taken out, another name twice is refused [S2.4]', async () => {
      const twice = await get(`${question()}&resource=a&resource=b&prompt=login&prompt=consent`);
      expect(new URL(twice.headers.location ?? '').search).not.toMatch(/resource|prompt/);
      expect((await get(`${question()}&redirect_uri=https://evil.example/`)).status).toBe(400);
      expect((await get(`${question()}&state=b`)).status).toBe(400);
    });

    test('without our traps taken out Entra would have refused [S2.6]', async () => {
      const theirs = new URL((await get(question())).headers.location ?? '');
      const outcome = async (changes: Readonly<Record<string, string>>) => {
        const url = new URL(theirs);
        for (const [name, value] of Object.entries(changes)) url.searchParams.set(name, value);
        const back = (await world.fetch(url.href)).headers.get('location') ?? '';
        return /AADSTS\d+/.exec(back)?.[0] ?? (back.includes('code=') ? 'code' : back);
      };
      expect(await outcome({})).toBe('code');
      expect(await outcome({ resource: `${base()}/mcp` })).toBe('AADSTS9010010');
      expect(await outcome({ prompt: 'consent' })).toBe('AADSTS90094');
      expect(await outcome({ prompt: 'login consent' })).toBe('AADSTS90023');
      expect(await outcome({ scope: 'mcp:read' })).toBe('AADSTS650053');
    });

    test('clients listen where they like on loopback [S2.6] [S2.38]', async () => {
      for (const port of [1024, 33_418, 65_535]) {
        for (const host of ['127.0.0.1', 'localhost']) {
          const code = await newCode(`http://${host}:${port}/mcp/oauth/callback`);
          expect(code.length).toBeGreaterThan(100);
        }
      }
    });

    test('another client, no PKCE, plain PKCE or another response type go no further', async () => {
      const wrong = [
        { client_id: 'another' },
        { client_id: undefined },
        { code_challenge: undefined },
        { code_challenge_method: 'plain' },
        { code_challenge_method: undefined },
        { response_type: 'token' },
        { response_type: 'code id_token' },
      ];
      for (const changes of wrong) {
        const answer = await get(question(changes));
        expect([changes, answer.status, answer.headers.location]).toEqual([changes, 400, undefined]);
      }
    });
  });

  describe('token', () => {
    test('the ID token stands in for the access token, at sign-in and at refresh; resource stays here [S2.5] [X2.2]', async () => {
      const first = await signIn();
      expect(first.status).toBe(200);
      expect(first.headers['cache-control']).toBe('no-store');
      const tokens = tokensOf(first);
      expect(tokens.access_token).toBe(tokens.id_token);
      expect(Number(tokens.expires_in)).toBeGreaterThan(3590);
      expect(Number(tokens.expires_in)).toBeLessThanOrEqual(3600);
      expect(forwarded().form.has('resource')).toBe(false);
      expect((await call(tokens.access_token ?? '')).status).toBe(200);

      for (const scope of [undefined, 'mcp:read', 'https://graph.microsoft.com/.default']) {
        const again = await form({
          grant_type: 'refresh_token',
          client_id: world.entra.clientId,
          refresh_token: tokens.refresh_token ?? '',
          resource: `${base()}/mcp`,
          ...(scope !== undefined && { scope }),
        });
        const renewed = tokensOf(again);
        expect([scope, again.status]).toEqual([scope, 200]);
        expect(renewed.access_token).toBe(renewed.id_token);
        expect(forwarded().form.get('scope')).toBe('openid profile email offline_access');
        expect(forwarded().form.has('resource')).toBe(false);
        expect((await call(renewed.access_token ?? '')).status).toBe(200);
      }
    });

    test('an answer without ID token is 502 and says what to do [X2.2] [S2.5]', async () => {
      world.entra.alterTokens(({ id_token: _gone, ...body }) => body);
      const answer = await signIn();
      expect([answer.status, answer.json]).toEqual([
        502,
        {
          error: 'server_error',
          error_description: 'Entra sent no id_token, so there is nothing to sign in with: ask your administrator',
        },
      ]);
      await expect.poll(() => world.gateway.output()).toContain('Entra sent no id_token: grant the application');
    });

    test('a confidential client passes its secret through, in the form or with Basic [S2.38]', async () => {
      const { clientId, clientSecret } = world.entra;
      const inForm = await form({
        ...codeFields(await newCode(webRedirect), webRedirect),
        client_secret: clientSecret,
      });
      expect([inForm.status, forwarded().form.get('client_secret')]).toEqual([200, clientSecret]);
      const basic = `Basic ${Buffer.from(`${clientId}:${encodeURIComponent(clientSecret)}`).toString('base64')}`;
      const { client_id: _id, ...anonymous } = codeFields(await newCode(webRedirect), webRedirect);
      const inHeader = await form(anonymous, { authorization: basic });
      expect([inHeader.status, forwarded().authorization]).toEqual([200, basic]);
      const wrong = await form({ ...codeFields(await newCode(webRedirect), webRedirect), client_secret: 'wrong' });
      expect([wrong.status, wrong.json]).toEqual([401, expect.objectContaining({ error: 'invalid_client' })]);
    });

    test('what Entra refuses comes back as Entra said it [S2.5]', async () => {
      const used = codeFields(await newCode());
      await form(used);
      const again = await form(used);
      expect(again.status).toBe(400);
      expect(again.json).toMatchObject({
        error: 'invalid_grant',
        error_description: expect.stringContaining('AADSTS54005'),
      });
      const proof = await form({ ...codeFields(await newCode()), code_verifier: 'w'.repeat(43) });
      expect(proof.json).toMatchObject({
        error: 'invalid_grant',
        error_description: expect.stringContaining('AADSTS501481'),
      });
    });

    test('an Entra that is away, hangs up or talks nonsense is a temporary error of ours', async () => {
      for (const fault of [500, 503, 'garbage', 'reset', 'huge', 'redirect'] as const) {
        const fields = codeFields(await newCode());
        world.entra.break(fault, '/token');
        const answer = await form(fields);
        world.entra.break(undefined);
        expect([fault, answer.status, tokensOf(answer).error]).toEqual([fault, 502, 'temporarily_unavailable']);
      }
    });

    test('other grants, other clients, repeated parameters and other bodies never reach Entra', async () => {
      const before = world.entra.requests.length;
      const code = { grant_type: 'authorization_code', client_id: world.entra.clientId, code: 'c' };
      const refused = [
        await form({ ...code, grant_type: 'client_credentials' }),
        await form({ ...code, grant_type: 'password' }),
        await form({ ...code, client_id: 'another' }),
        await form({ grant_type: 'refresh_token', refresh_token: 'r' }),
        await form(code, { authorization: 'Bearer x' }),
        await form(code, { 'content-type': 'application/json' }),
        await send(at('/oauth2/token'), {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `${new URLSearchParams(code)}&code=d`,
        }),
        await send(at('/oauth2/token'), {
          headers: { 'content-type': 'application/x-www-form-urlencoded' },
          body: `code=${'x'.repeat(70_000)}`,
        }),
      ];
      expect(refused.map(({ status }) => status)).toEqual([400, 400, 401, 401, 401, 400, 400, 413]);
      for (const answer of refused) expect(tokensOf(answer).error).toMatch(/^[a-z_]+$/);
      expect(world.entra.requests.length).toBe(before);
    });

    test('no code, token, verifier or state is ever in the log', async () => {
      const code = await newCode();
      const tokens = tokensOf(await form(codeFields(code)));
      await form(codeFields(code));
      const log = world.gateway.output();
      const secrets = [code, tokens.access_token, tokens.refresh_token, verifier, challenge, 'st%2Fate'];
      for (const secret of secrets) expect(log).not.toContain(secret);
      expect(log).toContain('/oauth2/token');
    });

    test('clients in a browser may read the answers of token and registration', async () => {
      for (const path of ['/oauth2/token', '/token', '/register']) {
        const preflight = await send(at(path), { method: 'OPTIONS', headers: { origin: 'https://inspector.example' } });
        expect([path, preflight.status, preflight.headers['access-control-allow-origin']]).toEqual([path, 204, '*']);
        expect(preflight.headers['access-control-allow-credentials']).toBeUndefined();
      }
      expect((await signIn()).headers['access-control-allow-origin']).toBe('*');
    });
  });

  describe('tokens at the endpoint', () => {
    const tokens = () => world.entra.tokens;

    test('only the ID token of this application and this directory opens it [S2.9] [X2.2] [B5] [B6]', async () => {
      expect((await call(await tokens().idToken(aTenant, ada))).status).toBe(200);
      const wrong = [
        tokens().idToken(anotherTenant, eve),
        tokens().idToken(aTenant, ada, { aud: 'another-application' }),
        tokens().idToken(aTenant, ada, { tid: anotherTenant }),
        tokens().idToken(aTenant, ada, { exp: 1000 }),
        tokens().idToken(aTenant, ada, { iss: 'https://login.microsoftonline.com/common/v2.0' }),
        tokens().idToken(aTenant, ada, { iss: `https://sts.windows.net/${aTenant}/` }),
        withOther(await tokens().idToken(aTenant, ada), { oid: eve.oid }),
        tokens().appToken(aTenant, '44444444-0000-4000-8000-000000000004'),
      ];
      world.upstream.clear();
      for (const token of wrong) expect((await call(await token)).status).toBe(401);
      expect(world.upstream.bytes().length).toBe(0);
    });

    test('a Graph token is 401, and the log says how to get a good one [S2.6] [X2.2]', async () => {
      const answer = await call(await tokens().graphToken(aTenant, ada));
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"');
      await expect.poll(() => world.gateway.output()).toContain('A token for Microsoft Graph was presented');
    });

    test('somebody with more groups than fit into a token is denied, with the reason in the log [X2.2]', async () => {
      world.entra.signInAs(aTenant, busy);
      const answer = await call(tokensOf(await signIn()).access_token ?? '');
      expect([answer.status, answer.json]).toEqual([
        403,
        { error: 'Your groups cannot be determined: ask your administrator' },
      ]);
      expect(answer.headers['www-authenticate']).toBeUndefined();
      await expect.poll(() => world.gateway.output()).toContain('Denied: Entra left the groups out of a token');
      expect(world.upstream.bytes().length).toBe(0);
    });

    test('initialize of 2024-11-05 with the bearer works [S2.10]', async () => {
      const answer = await send(at('/mcp/code'), {
        headers: bearer(await tokens().idToken(aTenant, ada)),
        body: {
          jsonrpc: '2.0',
          id: 1,
          method: 'initialize',
          params: { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 'curl', version: '1' } },
        },
      });
      expect(answer.status).toBe(200);
      expect(answer.text).toContain('protocolVersion');
    });
  });
});
