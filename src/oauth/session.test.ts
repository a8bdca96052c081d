import type { FastifyPluginAsync } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { withPlatform } from '#db/scope.ts';
import { type Answer, send } from '#kit/http-client.ts';
import { openTestServer, registerClient, type TestClient, type TestServer } from '#kit/oauth.ts';
import { upsertIdentity } from '#records/users.ts';

let t: TestServer;
let client: TestClient;

/** In place of the sign-in pages: whoever comes is `ada`, and agrees, this once (so that `prompt=none` later finds her, and asks her). */
const agreeing: FastifyPluginAsync = async (app) => {
  app.get('/interaction/:uid', async (request, reply) => {
    const { provider } = t.server;
    const { params } = await provider.interactionDetails(request.raw, reply.raw);
    const grant = new provider.Grant({ accountId: 'ada', clientId: String(params.client_id) });
    grant.addOIDCScope('mcp:read mcp:write');
    grant.addResourceScope(t.issuer, 'mcp:read mcp:write');
    const consent = { grantId: await grant.save() };
    reply.hijack();
    await provider.interactionFinished(request.raw, reply.raw, { login: { accountId: 'ada' }, consent });
  });
};

beforeAll(async () => {
  t = await openTestServer({ plugins: [agreeing], settings: { sessionIdleSeconds: 100, sessionMaxSeconds: 1000 } });
  client = await registerClient(t);
  await withPlatform(t.database.db, (scope) => upsertIdentity(scope, { provider: 'test', subject: 'ada' }, Date.now()));
});
afterAll(() => t.close());

/** A browser's cookies: by name, with the path each is for. */
type Jar = Map<string, { readonly value: string; readonly path: string }>;

async function visit(jar: Jar, url: string): Promise<Answer> {
  const { pathname } = new URL(url);
  const cookie = [...jar]
    .flatMap(([name, { value, path }]) => (pathname.startsWith(path) ? `${name}=${value}` : []))
    .join('; ');
  const answer = await send(url, { method: 'GET', headers: { accept: 'text/html', ...(cookie && { cookie }) } });
  for (const line of answer.headers['set-cookie'] ?? []) {
    const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    jar.set(name, { value, path: /; path=([^;]+)/i.exec(line)?.[1] ?? '/' });
  }
  return answer;
}

async function signInBy(jar: Jar, prompt?: string): Promise<string> {
  const query = new URLSearchParams({
    client_id: client.id,
    redirect_uri: client.redirectUri,
    response_type: 'code',
    scope: 'mcp:read mcp:write',
    state: 's',
    code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    code_challenge_method: 'S256',
    ...(prompt && { prompt }),
  });
  let location = `${t.url}/authorize?${query}`;
  for (let hop = 0; hop < 8 && location.startsWith(t.issuer); hop++) {
    location = (await visit(jar, location)).headers.location ?? '';
  }
  return location;
}

const sessions = () =>
  t.database.sql("select id, payload, expires_at from gateway.oauth_records where model = 'Session'");

test('the session has a new id after the sign-in, and the one from before is worth nothing [A20]', async () => {
  const jar: Jar = new Map();
  await visit(
    jar,
    `${t.url}/authorize?client_id=${client.id}&redirect_uri=${client.redirectUri}&response_type=code&state=s&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256`,
  );
  // What an attacker planted in the browser.
  const planted = jar.get('gw_as') ?? { value: 'planted-by-somebody-else', path: '/' };
  jar.set('gw_as', planted);
  const location = await signInBy(jar);
  expect(new URL(location).searchParams.get('code')).toBeTruthy();
  expect(new URL(location).searchParams.get('iss')).toBe(t.issuer);
  expect(jar.get('gw_as')?.value).not.toBe(planted.value);
  const stale: Jar = new Map([['gw_as', planted]]);
  expect(await signInBy(stale, 'none')).toContain('error=login_required');
  expect(await signInBy(jar, 'none')).toContain('error=consent_required');
});

test('a session ends when it is idle, and never outlives its most; its id is not in the database [S1.40] [A20]', async () => {
  await t.database.sql("delete from gateway.oauth_records where model = 'Session'");
  const jar: Jar = new Map();
  await signInBy(jar);
  const rows = await sessions();
  const dump = JSON.stringify(rows);
  expect(dump).not.toContain(jar.get('gw_as')?.value);
  for (const { expires_at } of rows) {
    expect(new Date(String(expires_at)).getTime() - Date.now()).toBeLessThanOrEqual(100_000);
  }
  await t.database.sql(
    `update gateway.oauth_records set payload = jsonb_set(payload, '{loginTs}', to_jsonb(extract(epoch from now())::int - 950)) where model = 'Session'`,
  );
  expect(await signInBy(jar, 'none')).toContain('error=consent_required');
  const [latest] = await t.database.sql(
    "select max(expires_at) as at from gateway.oauth_records where model = 'Session'",
  );
  expect(new Date(String(latest?.at)).getTime() - Date.now()).toBeLessThanOrEqual(51_000);
});
