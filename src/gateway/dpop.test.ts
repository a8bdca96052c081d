import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { openDpopChecker } from './dpop.ts';
import { openIdentifier } from './identify.ts';

const request = { method: 'POST', url: 'https://gw.example/acme/mcp/docs' };
const token = 'abc';
const ath = createHash('sha256').update(token).digest('base64url');

async function newKey() {
  const { privateKey, publicKey } = await generateKeyPair('Ed25519', { extractable: true });
  const jwk = await exportJWK(publicKey);
  const prove = () =>
    new SignJWT({ jti: randomUUID(), htm: 'POST', htu: request.url, ath, iat: Math.floor(Date.now() / 1000) })
      .setProtectedHeader({ alg: 'Ed25519', typ: 'dpop+jwt', jwk })
      .sign(privateKey);
  return { prove, jkt: await calculateJwkThumbprint(jwk) };
}

test('who floods us with proofs pushes out none that another one used', async () => {
  const dpop = openDpopChecker(systemClock, { ofOne: 20, inAll: 100 });
  const [victim, flooder] = [await newKey(), await newKey()];
  const stolen = await victim.prove();
  const as = (holder: string, { jkt }: { readonly jkt: string }, proof: string) =>
    dpop.check({ proof, token }, { jkt, holder }, request);
  await as('victim', victim, stolen);
  const codes: string[] = [];
  for (let n = 0; n < 120; n++) {
    await as('flooder', flooder, await flooder.prove()).catch((error: GatehouseError) => codes.push(error.code));
  }
  expect([codes.length, new Set(codes)]).toEqual([100, new Set(['rate_limited'])]);
  await expect(as('victim', victim, stolen)).rejects.toMatchObject({ code: 'invalid_dpop_proof' });
  await as('victim', victim, await victim.prove());
});

test('a token that is revoked while its proof is checked lets nobody in any more [B11]', async () => {
  const { prove, jkt } = await newKey();
  let revoked = false;
  const provider: IdentityProvider = {
    ...{ kind: 'test', name: 'test', title: 'Test', mode: 'direct', issuers: ['https://idp.example'] },
    verify: () => Promise.reject(new Error('not asked')),
    close: async () => undefined,
  };
  const identifier = openIdentifier({
    tokens: {
      async verify() {
        if (revoked) throw new GatehouseError('invalid_token');
        const claims = { cnf: { jkt } };
        const verified = { issuer: 'https://idp.example', subject: 'ada', expiresAt: Date.now() + 600_000, claims };
        return { provider, token: { ...verified, tokenId: 't1' } };
      },
    },
    keys: { find: () => undefined, verify: () => Promise.reject(new GatehouseError('invalid_token')) },
    clock: systemClock,
    resources: { baseUrl: 'https://gw.example', external: [] },
  });
  const present = async () =>
    identifier.identify({ authorization: `DPoP ${token}`, apiKey: undefined, dpop: await prove() }, request);
  expect(await present()).toMatchObject({ boundTo: jkt });
  const dpop = await prove();
  const checking = identifier.identify({ authorization: `DPoP ${token}`, apiKey: undefined, dpop }, request);
  revoked = true;
  identifier.forget({ kind: 'token', id: 't1' });
  await expect(checking).rejects.toMatchObject({ code: 'invalid_token' });
});
