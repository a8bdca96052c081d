import { generateKeyPairSync } from 'node:crypto';
import { createLocalJWKSet, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { type TokenRules, verifyToken } from './verify-token.ts';

const rules: TokenRules = {
  issuers: ['https://idp.example'],
  audiences: ['https://gw.example'],
  algorithms: ['RS256'],
  types: ['at+jwt'],
  subjectClaims: ['sub'],
  requiredClaims: ['exp', 'sub'],
  maxLifetimeSeconds: undefined,
};
const signed = (alg: string, key: Parameters<SignJWT['sign']>[0]) =>
  new SignJWT({ sub: 'ada' })
    .setProtectedHeader({ alg, typ: 'at+jwt', kid: 'k' })
    .setIssuer('https://idp.example')
    .setAudience('https://gw.example')
    .setIssuedAt()
    .setExpirationTime('5m')
    .sign(key);

test('a key that says no algorithm is good for the ones that are pinned and no other [B2]', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const keys = createLocalJWKSet({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k' }] });
  const verify = async (token: string) => verifyToken(token, keys, { rules, clock: systemClock });
  await expect(verify(await signed('RS256', privateKey))).resolves.toMatchObject({ subject: 'ada' });
  for (const alg of ['RS384', 'RS512', 'PS256', 'PS512'])
    await expect(verify(await signed(alg, privateKey)), alg).rejects.toMatchObject({ code: 'invalid_token' });
  // The public key as if it were a shared secret.
  const pem = new TextEncoder().encode(publicKey.export({ type: 'spki', format: 'pem' }).toString());
  await expect(verify(await signed('HS256', pem))).rejects.toMatchObject({ code: 'invalid_token' });
});

test('a shared secret is good for its one algorithm [B2]', async () => {
  const secret = new TextEncoder().encode('a-secret-that-both-sides-know-and-nobody-else-does-and-that-is-long');
  const verify = async (token: string) =>
    verifyToken(token, secret, { rules: { ...rules, algorithms: ['HS256'] }, clock: systemClock });
  await expect(verify(await signed('HS256', secret))).resolves.toMatchObject({ subject: 'ada' });
  await expect(verify(await signed('HS512', secret))).rejects.toMatchObject({ code: 'invalid_token' });
});
