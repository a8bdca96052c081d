/** People by their identity provider's tokens, service accounts, one person's data, and domains: live. */
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { send } from '#kit/http-client.ts';
import { postForm } from '#kit/oauth.ts';
import { openPeopleWorld, type PeopleWorld, soon } from './people-world.ts';

let t: PeopleWorld;
beforeAll(async () => {
  t = await openPeopleWorld();
}, 120_000);
afterAll(() => t?.close());

describe('people with tokens of their identity provider', () => {
  test('get a row with the first token, reach what it is granted, and end when they are deactivated here [S3.1]', async () => {
    const claims = { sub: 'direct-1', org: 'org_123', email: 'direct@example.com', email_verified: true };
    const token = await t.direct.signToken(claims);
    expect(await t.callTool(token)).toBe(403);
    await t.good('PUT /organizations/acme/grants', { email: 'direct@example.com', collection: 'team' });
    await soon(() => t.callTool(token)).toBe(200);
    const { items } = z
      .object({ items: z.array(z.looseObject({ id: z.string(), identities: z.array(z.unknown()) })) })
      .parse(await t.good('GET /people?search=direct%40example.com'));
    expect(items).toMatchObject([{ identities: [{ provider: 'direct', subject: 'direct-1' }] }]);
    // Another token of theirs, warm and cold, writes nothing again.
    const before = await t.world.database.sql('select value from gateway.change_counter');
    expect(await t.callTool(await t.direct.signToken({ ...claims, jti: 'second' }))).toBe(200);
    expect(await t.world.database.sql('select value from gateway.change_counter')).toEqual(before);
    await t.good(`PATCH /people/${items[0]?.id}`, { active: false });
    await soon(() => t.callTool(token)).toBe(401);
    await t.good(`PATCH /people/${items[0]?.id}`, { active: true });
    await soon(() => t.callTool(token)).toBe(200);
  });

  test('an address that the token does not call verified is nobody’s', async () => {
    const token = await t.direct.signToken({ sub: 'direct-2', org: 'org_123', email: 'direct@example.com' });
    expect(await t.callTool(token)).toBe(403);
  });
});

describe('service accounts', () => {
  test('a key acts as its account: with its groups and roles, until it is switched off', async () => {
    const account = await t.good('POST /organizations/acme/service-accounts', { name: 'nightly', roles: [] });
    const { key } = await t.good('POST /organizations/acme/keys', { name: 'nightly', serviceAccount: 'nightly' });
    expect(await t.callTool(String(key))).toBe(403);
    await t.good('PUT /organizations/acme/grants', { serviceAccount: 'nightly', collection: 'team' });
    await soon(() => t.callTool(String(key))).toBe(200);
    expect(await t.callTool(String(key), '/acme/mcp/staff')).toBe(403);
    await t.good('PATCH /organizations/acme/service-accounts/nightly', { roles: ['staff'] });
    await soon(() => t.callTool(String(key), '/acme/mcp/staff')).toBe(200);
    await t.good(`PATCH /organizations/acme/service-accounts/${account.id}`, { active: false });
    await soon(() => t.callTool(String(key))).toBe(401);
  });

  test('a workload gets a token with its own platform’s assertion, and only the trusted one does', async () => {
    const account = await t.good('POST /organizations/acme/service-accounts', { name: 'builder', roles: ['staff'] });
    await t.good('POST /organizations/acme/service-accounts/builder/workloads', {
      issuer: t.platform.issuer,
      subject: 'repo:acme/*:ref:main',
      audience: 'gatehouse',
    });
    const ask = async (claims: object) => {
      const assertion = await t.platform.signToken({
        aud: 'gatehouse',
        sub: 'repo:acme/site:ref:main',
        ...claims,
      });
      const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion };
      return postForm(`${t.world.oauth.url}/token`, { ...form, client_id: String(account.clientId) });
    };
    const { status, body } = await ask({});
    expect([status, body]).toMatchObject([200, { token_type: 'Bearer' }]);
    expect(body).not.toHaveProperty('refresh_token');
    const token = String(body.access_token);
    expect(await t.callTool(token, '/acme/mcp/staff')).toBe(200);
    expect(await t.callTool(token, '/other/mcp/docs')).toBe(401);
    for (const claims of [
      { sub: 'repo:evil/site:ref:main' },
      { sub: 'repo:acme/site:ref:dev' },
      { sub: 'repo:acme/a/b:ref:main' },
      { aud: 'others' },
      { iss: 'https://evil.example' },
      { exp: 1 },
    ])
      expect((await ask(claims)).body.error, JSON.stringify(claims)).toBe('invalid_grant');
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const jwk = await exportJWK(publicKey);
    const forged = await new SignJWT({ sub: 'repo:acme/site:ref:main', aud: 'gatehouse', iss: t.platform.issuer })
      .setProtectedHeader({ alg: 'RS256', jwk })
      .setIssuedAt()
      .setExpirationTime('5m')
      .sign(privateKey);
    const form = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: forged };
    expect(
      (await postForm(`${t.world.oauth.url}/token`, { ...form, client_id: String(account.clientId) })).status,
    ).toBe(400);
    await t.good('PATCH /organizations/acme/service-accounts/builder', { active: false });
    await soon(() => t.callTool(token, '/acme/mcp/staff')).toBe(403);
  });
});

describe('one person’s data', () => {
  test('is handed out whole, and erased; what they did stays under a pseudonym', async () => {
    const gone = await t.person('gone@example.com');
    await t.good('PUT /organizations/acme/grants', { email: 'gone@example.com', collection: 'team' });
    await soon(() => t.callTool(gone.accessToken)).toBe(200);
    const audited = () =>
      t.world.database
        .sql(`select count(*)::int as n from gateway.audit where email = 'gone@example.com' and not open`)
        .then(([row]) => Number(row?.n));
    await expect.poll(audited, { timeout: 5000 }).toBeGreaterThan(0);
    const told = await t.good(`GET /people/${gone.user.id}/export`);
    expect(Object.keys(told)).toEqual(
      expect.arrayContaining(['person', 'identities', 'memberships', 'grants', 'audit', 'usage']),
    );
    expect(JSON.stringify(told)).toContain('gone@example.com');
    const { pseudonym } = await t.good(`DELETE /people/${gone.user.id}`);
    expect(pseudonym).toMatch(/^erased:/);
    await soon(() => t.callTool(gone.accessToken)).toBe(401);
    const tables = ['users', 'identities', 'members', 'grants', 'audit', 'usage', 'oauth_records', 'consents'];
    for (const table of tables) {
      const rows = JSON.stringify(await t.world.database.sql(`select * from gateway.${table}`));
      expect(rows.toLowerCase(), table).not.toContain('gone@example.com');
      expect(rows, table).not.toContain(gone.user.id);
    }
    const kept = await t.world.database.sql(`select 1 from gateway.audit where subject = $1`, [String(pseudonym)]);
    expect(kept.length).toBeGreaterThan(0);
    expect((await t.admin(`GET /people/${gone.user.id}/export`)).status).toBe(404);
  });
});

describe('erasure', () => {
  test('leaves another person alone who has the same subject elsewhere, or whose address was only claimed', async () => {
    const sql = t.world.database.sql;
    const victim = await t.person('same@example.com');
    const row = async (issuer: string | null, subject: string, email: string | null) => {
      const [made] = await sql(
        `insert into gateway.audit (id, at, request_id, issuer, subject, email, http_method, path, decision, status, open, duration_ms, bytes_in, bytes_out)
         values (gen_random_uuid(), now(), 'x', $1, $2, $3, 'POST', '/', 'allow', 200, false, 0, 0, 0) returning id`,
        [issuer, subject, email],
      );
      return String(made?.id);
    };
    const elsewhere = await row('https://other-issuer.example', 'same@example.com', null);
    const theirs = await row(t.world.issuer, 'same@example.com', null);
    const unsaid = await row(null, 'same@example.com', null);
    const claimed = await row('https://other-issuer.example', 'somebody', 'victim@example.com');
    await sql(`update gateway.users set email = 'victim@example.com', email_verified = false where id = $1`, [
      victim.user.id,
    ]);
    await t.good(`DELETE /people/${victim.user.id}`);
    const subjectOf = async (id: string) =>
      (await sql('select subject from gateway.audit where id = $1', [id]))[0]?.subject;
    expect(await subjectOf(elsewhere)).toBe('same@example.com');
    expect(await subjectOf(claimed)).toBe('somebody');
    expect(await subjectOf(theirs)).toMatch(/^erased:/);
    expect(await subjectOf(unsaid)).toMatch(/^erased:/);
  });
});

describe('a domain of an organization', () => {
  test('serves its endpoints, names itself in challenge and metadata, and nothing else is there', async () => {
    const host = 'mcp.acme.example';
    const at = (path: string, headers: Record<string, string> = {}) =>
      send(t.url + path, { method: 'GET', headers: { host, ...headers } });
    expect((await at('/mcp')).status).toBe(421);
    await t.good('PATCH /organizations/acme', { domain: host });
    await soon(async () => (await at('/mcp')).status).toBe(401);
    const { headers } = await at('/mcp/docs', { accept: 'text/event-stream' });
    const metadata = `https://${host}/.well-known/oauth-protected-resource/mcp/docs`;
    expect(headers['www-authenticate']).toContain(`resource_metadata="${metadata}"`);
    const document = JSON.parse((await at('/.well-known/oauth-protected-resource/mcp/docs')).text);
    expect(document).toMatchObject({ resource: `https://${host}/mcp/docs`, authorization_servers: [t.world.issuer] });
    const ada = await t.person('domain@example.com');
    const list = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
    const post = (path: string) =>
      send(t.url + path, { method: 'POST', headers: { host, ...ada.auth }, body: JSON.stringify(list) });
    expect((await post('/mcp/docs')).status).not.toBe(401);
    expect((await post('/other/mcp/docs')).status).toBe(404);
    expect((await at('/admin/api/v1/status')).status).toBe(404);
    const taken = await t.admin('PATCH /organizations/other', { body: { domain: host } });
    expect(taken.status).toBe(409);
    await t.good('PATCH /organizations/acme', { domain: null });
    await soon(async () => (await at('/mcp')).status).toBe(421);
  });
});
