import { describe, expect, test } from 'vitest';
import type { IdentityProvider, VerifiedToken } from '#adapters/identity/identity.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asKeyId, asOrgId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';
import { readAudience } from './audience.ts';
import { openIdentifier } from './identify.ts';

const resources = { baseUrl: 'https://gw.example', external: [] };
const provider: IdentityProvider = {
  kind: 'test',
  name: 'test',
  title: 'Test',
  mode: 'direct',
  issuers: ['https://idp.example'],
  verify: () => Promise.reject(new Error('not asked')),
  close: async () => undefined,
};
const token = (more: Partial<VerifiedToken> = {}): VerifiedToken => ({
  issuer: 'https://idp.example',
  subject: 'ada',
  expiresAt: Date.now() + 600_000,
  claims: {},
  tokenId: 't1',
  userId: 'u1',
  ...more,
});
const headers = { authorization: 'Bearer abc', apiKey: undefined, dpop: undefined };
const request = { method: 'POST', url: 'https://gw.example/acme/mcp/docs' };

function open(verify: () => Promise<VerifiedToken>) {
  const asked = { times: 0 };
  const identifier = openIdentifier({
    tokens: {
      verify: async () => {
        asked.times++;
        return { provider, token: await verify() };
      },
    },
    keys: { find: () => undefined, verify: () => Promise.reject(new GatehouseError('invalid_token')) },
    clock: systemClock,
    resources,
  });
  return { identifier, asked };
}

describe('what is remembered of tokens', () => {
  test('a token is verified once, and again after a change that names it, its user, or everything [B11]', async () => {
    const { identifier, asked } = open(async () => token());
    const first = await identifier.identify(headers, request);
    expect(identifier.identify(headers, request)).toBe(first);
    identifier.forget({ kind: 'token', id: 'another' });
    identifier.forget({ kind: 'user', id: 't1' });
    expect(identifier.identify(headers, request)).toBe(first);
    const changes = [{ kind: 'token', id: 't1' }, { kind: 'user', id: 'u1' }, { kind: 'everything' }] as const;
    for (const [n, change] of changes.entries()) {
      identifier.forget(change);
      await identifier.identify(headers, request);
      expect([change.kind, asked.times]).toEqual([change.kind, n + 2]);
    }
  });

  test('one that is revoked while it is verified is judged again, not remembered as good [B11]', async () => {
    let revoked = false;
    const { identifier, asked } = open(async () => {
      if (revoked) throw new GatehouseError('invalid_token');
      await new Promise((resolve) => setImmediate(resolve));
      return token();
    });
    const verifying = identifier.identify(headers, request);
    revoked = true;
    identifier.forget({ kind: 'token', id: 't1' });
    await expect(verifying).rejects.toMatchObject({ code: 'invalid_token' });
    expect(asked.times).toBe(2);
    await expect(identifier.identify(headers, request)).rejects.toMatchObject({ code: 'invalid_token' });
  });

  test('a confirmation that is none we know is one that nobody passes', async () => {
    const { identifier } = open(async () => token({ claims: { cnf: { 'x5t#S256': 'abc' } } }));
    for (const authorization of ['Bearer abc', 'DPoP abc'])
      await expect(identifier.identify({ ...headers, authorization }, request)).rejects.toMatchObject({
        row: { http: 401 },
      });
  });
});

describe('a key that came from another gateway', () => {
  const principal = {
    kind: 'api-key',
    key: principalKey('gatehouse:api-key', 'k'),
    keyId: asKeyId('k'),
    name: 'bot',
    org: asOrgId('o'),
    roles: [],
  } as const;
  const openWith = (verify: () => Promise<VerifiedToken>) => {
    const looked: string[] = [];
    const identifier = openIdentifier({
      tokens: { verify: async () => ({ provider, token: await verify() }) },
      keys: {
        find: () => undefined,
        verify: async (presented) => {
          looked.push(presented);
          return principal;
        },
      },
      ...{ clock: systemClock, resources },
    });
    return { identifier, looked };
  };
  const refuse = (code: 'invalid_token' | 'identity_unavailable') => () => Promise.reject(new GatehouseError(code));

  test('it is looked for where no identity provider knows the token, and only then', async () => {
    const known = openWith(async () => token());
    expect(await known.identifier.identify(headers, request)).toMatchObject({ principal: { subject: 'ada' } });
    const unknown = openWith(refuse('invalid_token'));
    expect(await unknown.identifier.identify(headers, request)).toMatchObject({ principal: { name: 'bot' } });
    const away = openWith(refuse('identity_unavailable'));
    await expect(away.identifier.identify(headers, request)).rejects.toMatchObject({ code: 'identity_unavailable' });
    expect([known.looked, unknown.looked, away.looked]).toEqual([[], ['abc'], []]);
  });

  test('a token with parts is never looked for among keys, and X-API-Key never among tokens', async () => {
    const { identifier, looked } = openWith(refuse('invalid_token'));
    const parts = { ...headers, authorization: 'Bearer aaa.bbb.ccc' };
    await expect(identifier.identify(parts, request)).rejects.toMatchObject({ code: 'invalid_token' });
    expect(looked).toEqual([]);
    const { identifier: other, asked } = open(async () => token());
    const byHeader = { authorization: undefined, apiKey: 'abc', dpop: undefined };
    await expect(other.identify(byHeader, request)).rejects.toMatchObject({ code: 'invalid_token' });
    expect(asked.times).toBe(0);
  });
});

describe('the audience of a token', () => {
  const docs = { kind: 'endpoint', path: { organization: 'acme', name: 'docs' } };
  test.each([
    ['https://gw.example/acme/mcp/docs', [docs]],
    ['https://gw.example/acme/mcp/docs/', [docs]],
    [['client_1', 'https://gw.example/acme/mcp/docs'], [docs]],
    ['https://gw.example', [{ kind: 'gateway' }]],
    // Ours in a spelling that no document of ours has: good for nothing.
    ['https://GW.example/acme/mcp/docs', []],
    ['https://gw.example:443/acme/mcp/docs', []],
    ['https://gw.example/acme/mcp/docs#x', []],
    [['client_1', 'HTTPS://gw.example/acme/mcp'], []],
    // Nothing of ours: the identity provider's own rules have judged it.
    ['client_1', undefined],
    ['https://gw.example/api', undefined],
    ['https://gw.example.evil/acme/mcp/docs', undefined],
    ['*', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j is good for %j [B1]', (aud, expected) => {
    expect(readAudience(aud, resources)).toEqual(expected);
  });
});
