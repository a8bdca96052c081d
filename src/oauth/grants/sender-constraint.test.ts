import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { type CryptoKey, calculateJwkThumbprint, decodeJwt, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Code, issueCode, openTestServer, postForm, registerClient, type TestServer } from '#kit/oauth.ts';

let t: TestServer;
beforeAll(async () => {
  t = await openTestServer();
});
afterAll(() => t.close());

interface Keys {
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

const newKeys = (): Promise<Keys> => generateKeyPair('ES256', { extractable: true });
const thumbprint = async ({ publicKey }: Keys) => calculateJwkThumbprint(await exportJWK(publicKey));

async function proof(keys: Keys, claims: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const usual = { jti: randomUUID(), htm: 'POST', htu: `${t.issuer}/token`, iat: Math.floor(Date.now() / 1000) };
  return new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await exportJWK(keys.publicKey) })
    .sign(keys.privateKey);
}

const redeem = ({ code, verifier, client }: Code, dpop?: string) =>
  postForm(
    `${t.url}/token`,
    { grant_type: 'authorization_code', code, code_verifier: verifier, redirect_uri: client.redirectUri },
    { client, headers: { ...(dpop && { dpop }) } },
  );

describe('DPoP (RFC 9449)', () => {
  test('binds the access token and the refresh token to the key of the proof', async () => {
    const keys = await newKeys();
    const code = await issueCode(t);
    const { status, body } = await redeem(code, await proof(keys));
    expect(status).toBe(200);
    expect(body.token_type).toBe('DPoP');
    expect(decodeJwt(String(body.access_token)).cnf).toEqual({ jkt: await thumbprint(keys) });
    const { client } = code;
    const seen = await postForm(`${t.url}/introspect`, { token: String(body.access_token) }, { client });
    expect(seen.body).toMatchObject({ token_type: 'DPoP', cnf: { jkt: await thumbprint(keys) } });

    const form = { grant_type: 'refresh_token', refresh_token: String(body.refresh_token) };
    const without = await postForm(`${t.url}/token`, form, { client });
    expect(without.body.error).toBe('invalid_grant');
    const stolen = await postForm(`${t.url}/token`, form, { client, headers: { dpop: await proof(await newKeys()) } });
    expect(stolen.body.error).toBe('invalid_grant');
    const own = await postForm(`${t.url}/token`, form, { client, headers: { dpop: await proof(keys) } });
    expect(decodeJwt(String(own.body.access_token)).cnf).toEqual({ jkt: await thumbprint(keys) });
  });

  test('a proof is good once, also for many at the same moment', async () => {
    const keys = await newKeys();
    const client = await registerClient(t);
    const codes = await Promise.all(Array.from({ length: 8 }, () => issueCode(t, { client })));
    const one = await proof(keys);
    const answers = await Promise.all(codes.map((code) => redeem(code, one)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    const again = await redeem(await issueCode(t, { client }), one);
    expect(again.body.error).toBe('invalid_grant');
  });

  test('a proof for something else, or of another time, is none', async () => {
    const keys = await newKeys();
    const client = await registerClient(t);
    for (const claims of [
      { htu: `${t.issuer}/par` },
      { htu: 'https://evil.example/token' },
      { htm: 'GET' },
      { jti: undefined },
      { nonce: 'made up' },
    ]) {
      const { status, body } = await redeem(await issueCode(t, { client }), await proof(keys, claims));
      expect([status, body.error]).toEqual([400, claims.nonce ? 'use_dpop_nonce' : 'invalid_dpop_proof']);
    }
  });

  test('whose clock is off is given a nonce, and gets on with it', async () => {
    const keys = await newKeys();
    const code = await issueCode(t);
    const stale = { iat: Math.floor(Date.now() / 1000) - 3600 };
    const first = await redeem(code, await proof(keys, stale));
    expect(first).toMatchObject({ status: 400, body: { error: 'use_dpop_nonce' } });
    const nonce = first.headers.get('dpop-nonce');
    expect(nonce).toMatch(/./);
    const second = await redeem(code, await proof(keys, { ...stale, nonce }));
    expect(second.status).toBe(200);
  });

  test('a client that registered for it gets no token without', async () => {
    const client = await registerClient(t, { dpop_bound_access_tokens: true });
    expect((await redeem(await issueCode(t, { client }))).status).toBe(400);
    expect((await redeem(await issueCode(t, { client }), await proof(await newKeys()))).status).toBe(200);
  });
});

describe('pushed authorization requests (RFC 9126)', () => {
  const verifier = randomBytes(32).toString('base64url');
  const request = (redirect_uri: string) => ({
    response_type: 'code',
    redirect_uri,
    state: 'a-long-enough-state',
    scope: 'mcp:read',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });

  test('what was pushed is used once, by the client that pushed it', async () => {
    const client = await registerClient(t);
    const { status, body } = await postForm(`${t.url}/par`, request(client.redirectUri), { client });
    expect(status).toBe(201);
    expect(body).toMatchObject({ request_uri: expect.stringMatching(/^urn:ietf:params:oauth:request_uri:/) });
    expect(body.expires_in).toBeLessThanOrEqual(600);
    const dump = JSON.stringify(await t.database.sql('select id, payload from gateway.oauth_records'));
    expect(dump).not.toContain(String(body.request_uri).split(':').at(-1));
    const other = await registerClient(t);
    const go = (id: string) =>
      fetch(`${t.url}/authorize?${new URLSearchParams({ client_id: id, request_uri: String(body.request_uri) })}`, {
        redirect: 'manual',
      });
    expect((await go(other.id)).status).toBe(400);
    const first = await go(client.id);
    expect(first.status).toBe(303);
    expect(first.headers.get('location')).toContain('/interaction/');
  });

  test('refuses what /authorize would refuse, before anybody is sent anywhere', async () => {
    const client = await registerClient(t);
    for (const wrong of [
      { redirect_uri: 'https://evil.example/callback' },
      { code_challenge_method: 'plain' },
      { response_type: 'token' },
    ]) {
      const pushed = { ...request(client.redirectUri), ...wrong };
      expect((await postForm(`${t.url}/par`, pushed, { client })).status).toBe(400);
    }
  });

  test('a client that registered to push cannot go around it', async () => {
    const client = await registerClient(t, { require_pushed_authorization_requests: true });
    const query = new URLSearchParams({ client_id: client.id, ...request(client.redirectUri) });
    const direct = await fetch(`${t.url}/authorize?${query}`, { redirect: 'manual' });
    expect(direct.headers.get('location') ?? '').not.toContain('/interaction/');
    const { body } = await postForm(`${t.url}/par`, request(client.redirectUri), { client });
    const pushed = new URLSearchParams({ client_id: client.id, request_uri: String(body.request_uri) });
    const answer = await fetch(`${t.url}/authorize?${pushed}`, { redirect: 'manual' });
    expect(answer.headers.get('location')).toContain('/interaction/');
  });
});
