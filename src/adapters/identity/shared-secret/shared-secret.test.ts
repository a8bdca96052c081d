import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { identityContract } from '#adapters/identity/identity.contract.ts';
import { silentLog } from '#core/log.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { sharedSecretAdapter, sharedSecretIssuer } from './shared-secret.ts';

const secret = 'a-secret-of-at-least-thirty-two-characters';

function sign(claims: Readonly<Record<string, unknown>>, header: Readonly<Record<string, unknown>> = {}, key = secret) {
  const present = (fields: object) =>
    Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  const fields = { alg: 'HS256', ...present({ typ: 'JWT', ...header }) };
  return new SignJWT(present(claims)).setProtectedHeader(fields).sign(new TextEncoder().encode(key));
}

async function open(config: object = {}) {
  const clock = manualClock();
  const deps = { fetch: () => Promise.reject(new Error('nothing to fetch')), clock, log: silentLog };
  const provider = await sharedSecretAdapter.open(sharedSecretAdapter.config.parse({ secret, ...config }), deps);
  const inAnHour = () => Math.floor(clock.now() / 1000) + 3600;
  return { clock, provider, inAnHour };
}

for (const issuer of [undefined, 'https://app.example']) {
  identityContract(`shared-secret ${issuer ? 'with' : 'without'} an issuer`, async () => {
    const { clock, provider, inAnHour } = await open({ issuer, audiences: issuer ? ['gateway'] : undefined });
    const claims = () => ({ iss: issuer, sub: 'u1', aud: issuer && 'gateway', exp: inAnHour() });
    return {
      provider,
      now: clock.now,
      sign: (changes, header) => sign({ ...claims(), ...changes }, header),
      signWithForeignKey: () => sign(claims(), {}, `${secret}x`),
      expectedSubject: 'u1',
      expectedIssuer: issuer ?? sharedSecretIssuer,
      requiredClaims: issuer ? ['exp', 'sub', 'iss'] : ['exp', 'sub'],
      checksAudience: issuer !== undefined,
      limitsLifetime: false,
      keyRequests: () => 0,
      close: () => provider.close(),
    };
  });
}

describe('Open WebUI', () => {
  test('its session token has only id, exp and jti: the id is the subject [S3.3]', async () => {
    const { provider, inAnHour } = await open();
    const verified = await provider.verify(await sign({ id: 'user-uuid', exp: inAnHour(), jti: 'j' }));
    expect(verified).toMatchObject({ subject: 'user-uuid', issuer: sharedSecretIssuer });
    expect(verified).not.toHaveProperty('email');
  });

  test('an e-mail in the token is taken from the claim that is configured [S3.3]', async () => {
    const { provider, inAnHour } = await open({ emailClaim: 'preferred_username', rolesClaim: 'groups' });
    const token = await sign({ id: 'u', exp: inAnHour(), preferred_username: 'a@example.com', groups: ['g'] });
    expect(await provider.verify(token)).toMatchObject({ email: 'a@example.com', roles: ['g'] });
  });
});

test('a secret shorter than 32 characters is refused', () => {
  expect(sharedSecretAdapter.config.safeParse({ secret: 'x'.repeat(31) }).success).toBe(false);
});
