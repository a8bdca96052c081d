/** Tokens of the built-in authorization server at the data plane: what they are good for, and for how long. */

import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { withPlatform } from '#db/scope.ts';
import { bearer, call, openStream, send } from '#kit/http-client.ts';
import { issueCode, postForm } from '#kit/oauth.ts';
import { answerMcp, openSse } from '#kit/recording-upstream.ts';
import { type Person, type SignedInWorld, startSignedInWorld } from '#kit/signed-in-world.ts';
import { removeOauthRecordsOf } from '#records/oauth-records.ts';
import { setUserActive } from '#records/users.ts';

let world: SignedInWorld;
beforeAll(async () => {
  world = await startSignedInWorld({ replicas: 2 });
}, 120_000);
afterAll(() => world?.close());
beforeEach(() => {
  world.upstream.script();
  world.upstream.clear();
});

const at = (path: string, n = 0) => `${world.gateways[n]?.url}${path}`;
const list = { jsonrpc: '2.0', id: 1, method: 'tools/list' };
const ask = (path: string, headers: Readonly<Record<string, string>>, body: unknown = call('echo')) =>
  send(at(path), { headers, body });
const statuses = async (person: Person, paths: readonly string[], more: Readonly<Record<string, string>> = {}) =>
  Object.fromEntries(
    await Promise.all(paths.map(async (path) => [path, (await ask(path, { ...person.auth, ...more })).status])),
  );

describe('what a token is for', () => {
  test('one endpoint: good at all its URLs, 401 at every other, whether there is one or not [B1] [S1.23]', async () => {
    const person = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` }, { acme: [], other: [] });
    const uuid = world.organizationIds.acme;
    expect(
      await statuses(person, [
        '/acme/mcp/docs',
        '/acme/mcp/docs/',
        '/org_123/mcp/docs',
        `/${uuid}/mcp/docs`,
        '/mcp/docs',
      ]),
    ).toEqual({
      '/acme/mcp/docs': 200,
      '/acme/mcp/docs/': 200,
      '/org_123/mcp/docs': 200,
      [`/${uuid}/mcp/docs`]: 200,
      '/mcp/docs': 200,
    });
    world.upstream.clear();
    const elsewhere = [
      '/acme/mcp/wiki',
      '/acme/mcp/none',
      '/acme/mcp',
      '/other/mcp/docs',
      '/org_999/mcp/docs',
      '/nobody/mcp/docs',
    ];
    expect(await statuses(person, elsewhere)).toEqual(Object.fromEntries(elsewhere.map((path) => [path, 401])));
    const answer = await ask('/acme/mcp/wiki', person.auth);
    expect(answer.json).toEqual({ error: 'Invalid bearer token.' });
    expect(answer.headers['www-authenticate']).toBe(
      `Bearer error="invalid_token", scope="mcp:read mcp:write", resource_metadata="${world.issuer}/.well-known/oauth-protected-resource/acme/mcp/wiki"`,
    );
    expect(world.upstream.requests).toHaveLength(0);
  });

  test('to no member, another name of the same organization is as wrong as any [B1]', async () => {
    const stranger = await world.signIn({ resource: `${world.issuer}/acme/mcp/docs` }, {});
    expect(
      await statuses(stranger, ['/acme/mcp/docs', '/org_123/mcp/docs', '/org_999/mcp/docs', '/none/mcp/docs']),
    ).toEqual({ '/acme/mcp/docs': 403, '/org_123/mcp/docs': 401, '/org_999/mcp/docs': 401, '/none/mcp/docs': 401 });
  });

  test('a whole organization, or the gateway: good for what is in it and belongs to the caller [B1] [B16]', async () => {
    const ofAcme = await world.signIn({ resource: `${world.issuer}/acme/mcp` }, { acme: [], other: [] });
    expect(
      await statuses(ofAcme, [
        '/acme/mcp/docs',
        '/org_123/mcp/wiki',
        '/other/mcp/docs',
        '/acme/mcp/none',
        '/acme/mcp/staff',
      ]),
    ).toEqual({
      '/acme/mcp/docs': 200,
      '/org_123/mcp/wiki': 200,
      '/other/mcp/docs': 401,
      '/acme/mcp/none': 404,
      '/acme/mcp/staff': 403,
    });
    for (const resource of [world.issuer, `${world.issuer}/`]) {
      const everywhere = await world.signIn({ resource }, { acme: ['staff'], other: [] });
      expect(await statuses(everywhere, ['/acme/mcp/staff', '/other/mcp/docs', '/nobody/mcp/docs'])).toEqual({
        '/acme/mcp/staff': 200,
        '/other/mcp/docs': 200,
        '/nobody/mcp/docs': 403,
      });
    }
  });

  test('the own organization: the one of the token, however it is called, and no other [B1]', async () => {
    const person = await world.signIn({ resource: `${world.issuer}/mcp/docs` });
    expect(await statuses(person, ['/mcp/docs', '/acme/mcp/docs', '/mcp/wiki', '/other/mcp/docs'])).toEqual({
      '/mcp/docs': 200,
      '/acme/mcp/docs': 200,
      '/mcp/wiki': 401,
      '/other/mcp/docs': 401,
    });
    expect(await statuses(person, ['/mcp/docs'], { 'x-organization-id': 'other' })).toEqual({ '/mcp/docs': 401 });
    expect(await statuses(person, ['/mcp/docs'], { 'x-organization-id': 'org_123' })).toEqual({ '/mcp/docs': 200 });
  });

  test('nothing names an organization: the sole membership counts, none or several are refused', async () => {
    const sole = await world.signIn({}, { other: [] });
    const both = await world.signIn({}, { acme: [], other: [] });
    const none = await world.signIn({}, {});
    expect([
      await statuses(sole, ['/mcp/docs', '/mcp/wiki']),
      await statuses(both, ['/mcp/docs']),
      await statuses(none, ['/mcp/docs']),
    ]).toEqual([{ '/mcp/docs': 200, '/mcp/wiki': 404 }, { '/mcp/docs': 403 }, { '/mcp/docs': 403 }]);
    expect(await statuses(both, ['/mcp/docs'], { 'x-organization-id': 'other' })).toEqual({ '/mcp/docs': 200 });
  });

  test('reading is not writing: a call without mcp:write is 403 with all that it takes [S1.22] [B16]', async () => {
    const reader = await world.signIn({ scope: 'mcp:read' });
    expect((await ask('/acme/mcp/docs', reader.auth, list)).status).toBe(200);
    const refused = await ask('/acme/mcp/docs', reader.auth);
    expect(refused.status).toBe(403);
    expect(refused.headers['www-authenticate']).toBe(
      `Bearer error="insufficient_scope", scope="mcp:read mcp:write", resource_metadata="${world.issuer}/.well-known/oauth-protected-resource/acme/mcp/docs"`,
    );
    const none = await world.signIn({ scope: 'openid' });
    const unread = await ask('/acme/mcp/docs', none.auth, list);
    expect([unread.status, unread.headers['www-authenticate']]).toEqual([
      403,
      expect.stringContaining('scope="mcp:read"'),
    ]);
    // Who may not come in at all is not told to ask for more.
    const outsider = await world.signIn({ scope: 'mcp:read' }, {});
    const shut = await ask('/acme/mcp/docs', outsider.auth);
    expect([shut.status, shut.headers['www-authenticate']]).toEqual([
      403,
      expect.not.stringContaining('insufficient_scope'),
    ]);
  });
});

describe('what is revoked ends, on every replica, within a second', () => {
  /** A stream of the server's and a call that never ends, on each replica. */
  async function openAll(person: Person) {
    world.upstream.script((request, res) => {
      if (request.method === 'GET' || request.rpc.method === 'tools/call') return void openSse(res);
      return answerMcp(request, res);
    });
    const opened = await Promise.all(
      [0, 1].flatMap((n) => [
        openStream(at('/acme/mcp/docs', n), { method: 'GET', headers: person.auth }),
        openStream(at('/acme/mcp/docs', n), { headers: person.auth, body: call('slow') }),
      ]),
    );
    expect(opened.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    return opened;
  }
  const untilEnd = async (stream: Awaited<ReturnType<typeof openStream>>) => {
    const seen: string[] = [];
    for (let event = await stream.next(); event; event = await stream.next()) seen.push(event.data);
    return seen.join();
  };

  async function expectCut(person: Person, revoke: () => Promise<unknown>, status: number) {
    const streams = await openAll(person);
    const bystander = await world.signIn();
    const all = await openAll(bystander);
    const [kept] = all;
    const from = Date.now();
    await revoke();
    const ends = await Promise.all(streams.map(untilEnd));
    expect(Date.now() - from).toBeLessThan(1000);
    expect(ends[0]).toBe('');
    expect(ends[1]).toContain('"error"');
    for (const n of [0, 1]) {
      const next = await send(at('/acme/mcp/docs', n), { headers: person.auth, body: list });
      expect(next.status).toBe(status);
      expect((await send(at('/acme/mcp/docs', n), { headers: bystander.auth, body: list })).status).toBe(200);
    }
    // Others go on: their stream is still open.
    const ended = kept && untilEnd(kept);
    expect(await Promise.race([ended, new Promise((resolve) => setImmediate(resolve, 'open'))])).toBe('open');
    for (const stream of all) stream.close();
  }

  test('a grant [B11]', async () => {
    const person = await world.signIn();
    await expectCut(person, () => removeOauthRecordsOf(world.database.db, 'grant_id', person.grantId), 401);
  });

  test('a person [B11]', async () => {
    const person = await world.signIn();
    await expectCut(
      person,
      () =>
        withPlatform(world.database.db, (scope) =>
          setUserActive(scope, { userId: person.user.id, active: false, nowMs: Date.now() }),
        ),
      401,
    );
  });

  test('a membership [B11]', async () => {
    const person = await world.signIn();
    await expectCut(person, () => world.setRoles(person.user.id, {}), 403);
  });

  test('a collection that is closed to them cuts what runs there, on every replica [B11]', async () => {
    const person = await world.signIn();
    const streams = await openAll(person);
    const setRoles = (roles: string) =>
      world.database.sql(`update gateway.collections set allowed_roles = $1::jsonb where name = 'docs'`, [roles]);
    const from = Date.now();
    await setRoles('["nobody"]');
    await Promise.all(streams.map(untilEnd));
    expect(Date.now() - from).toBeLessThan(1000);
    await setRoles('"*"');
    const again = async (n: number) =>
      (await send(at('/acme/mcp/docs', n), { headers: person.auth, body: list })).status;
    await expect.poll(() => Promise.all([again(0), again(1)]), { timeout: 1000 }).toEqual([200, 200]);
  });

  test('a role: the next call hears of it [B11] [B16]', async () => {
    const person = await world.signIn({}, { acme: ['staff'] });
    const status = async () =>
      [0, 1].map(async (n) => (await send(at('/acme/mcp/staff', n), { headers: person.auth, body: list })).status);
    expect(await Promise.all(await status())).toEqual([200, 200]);
    await world.setRoles(person.user.id, { acme: ['guest'] });
    await expect.poll(async () => Promise.all(await status()), { timeout: 1000 }).toEqual([403, 403]);
    await world.setRoles(person.user.id, { acme: ['staff'] });
    await expect.poll(async () => Promise.all(await status()), { timeout: 1000 }).toEqual([200, 200]);
  });
});

describe('a token that is bound to a key (RFC 9449)', () => {
  async function boundPerson() {
    const pair = await generateKeyPair('ES256', { extractable: true });
    const jwk = await exportJWK(pair.publicKey);
    const prove = (claims: Record<string, unknown> = {}, header: Record<string, unknown> = {}) =>
      new SignJWT({ jti: randomUUID(), htm: 'POST', iat: Math.floor(Date.now() / 1000), ...claims })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
        .sign(pair.privateKey);
    return { jwk, prove, jkt: await calculateJwkThumbprint(jwk) };
  }
  /** Of a member of acme, bound by the token endpoint to the key of the proof. */
  async function boundToken(dpop: string): Promise<string> {
    const { user, client } = await world.signIn();
    const { code, verifier, redirectUri, resource } = {
      ...(await issueCode(world.oauth, { subject: user.subject, client })),
      ...client,
    };
    const form = {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
      redirect_uri: redirectUri,
      resource,
    };
    const { status, body } = await postForm(`${world.oauth.url}/token`, form, { client, headers: { dpop } });
    expect([status, body]).toEqual([200, expect.objectContaining({ token_type: 'DPoP' })]);
    return String(body.access_token);
  }
  const url = () => `${world.issuer}/acme/mcp/docs`;
  const athOf = (token: string) => createHash('sha256').update(token).digest('base64url');

  test('is good with a fresh proof for this very request only', async () => {
    const { prove } = await boundPerson();
    const token = await boundToken(await prove({ htu: `${world.issuer}/token` }));
    const ath = athOf(token);
    const present = async (proof: string | undefined, scheme = 'DPoP') =>
      ask('/acme/mcp/docs', { authorization: `${scheme} ${token}`, ...(proof && { dpop: proof }) });
    const good = { htu: url(), ath };
    const once = await prove(good);
    expect((await present(once)).status).toBe(200);
    expect((await present(await prove({ ...good, htu: `${url()}?x=1#y` }))).status).toBe(200);
    const other = await boundPerson();
    const now = Math.floor(Date.now() / 1000);
    const bad: Record<string, string | undefined> = {
      replayed: once,
      missing: undefined,
      'of another key': await other.prove(good),
      'for another method': await prove({ ...good, htm: 'GET' }),
      'for another address': await prove({ ...good, htu: `${world.issuer}/acme/mcp/wiki` }),
      'of another token': await prove({ ...good, ath: athOf('other') }),
      'without the token': await prove({ htu: url() }),
      old: await prove({ ...good, iat: now - 320 }),
      'from the future': await prove({ ...good, iat: now + 320 }),
      'of another type': await prove(good, { typ: 'JWT' }),
    };
    for (const [what, proof] of Object.entries(bad)) {
      const answer = await present(proof);
      expect([what, answer.status]).toEqual([what, 401]);
      expect(answer.headers['www-authenticate']).toMatch(/^DPoP error="invalid_dpop_proof", algs="ES256 [^"]+", /);
    }
    const asBearer = await present(await prove(good), 'Bearer');
    expect([asBearer.status, asBearer.headers['www-authenticate']]).toEqual([
      401,
      expect.stringContaining('Bearer error="invalid_token"'),
    ]);
    const unbound = await world.signIn();
    const asBound = await ask('/acme/mcp/docs', {
      authorization: `DPoP ${unbound.accessToken}`,
      dpop: await prove({ htu: url(), ath: athOf(unbound.accessToken) }),
    });
    expect(asBound.status).toBe(401);
    expect((await ask('/acme/mcp/docs', bearer(unbound.accessToken))).status).toBe(200);
  });
});
