import { afterEach, describe, expect, test } from 'vitest';
import type { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { type FakeOidc, startFakeOidc } from '#kit/identity/fake-oidc.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { openRemoteKeys, type RemoteKeys } from './jwks.ts';
import { strictRules, verifyToken } from './verify-token.ts';

const minute = 60_000;
const hour = 60 * minute;
const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

interface Subject {
  readonly clock: ManualClock;
  readonly fake: FakeOidc;
  readonly keys: RemoteKeys;
  verify(token: string): Promise<string>;
}

async function start(): Promise<Subject> {
  const clock = manualClock();
  const fake = await startFakeOidc({ now: clock.now });
  const egress = openEgress({ allow: ['127.0.0.1'], totalMs: 300 });
  opened.push(() => egress.close(), fake.close);
  const keys = openRemoteKeys({ url: fake.jwksUrl, fetch: egress.fetch, clock, log: silentLog, random: () => 1 });
  const rules = { ...strictRules, issuers: [fake.issuer], audiences: [fake.audience] };
  return {
    clock,
    fake,
    keys,
    verify: (token) =>
      verifyToken(token, keys.find, { rules, clock }).then(
        () => 'verified',
        (error: GatehouseError) => error.code,
      ),
  };
}

describe('fetching', () => {
  test('a thousand verifications at once fetch the keys once [R25]', async () => {
    const { fake, verify } = await start();
    const token = await fake.signToken();
    const codes = await Promise.all(Array.from({ length: 1000 }, () => verify(token)));
    expect(new Set(codes)).toEqual(new Set(['verified']));
    expect(fake.count('/keys')).toBe(1);
  });

  test('keys older than five minutes are renewed in the background, nobody waits [R19]', async () => {
    const { clock, fake, verify } = await start();
    await verify(await fake.signToken());
    clock.advance(5 * minute + 1);
    fake.break('silent', '/keys');
    expect(await verify(await fake.signToken())).toBe('verified');
    await expect.poll(() => fake.count('/keys')).toBe(2);
    clock.advance(2 * minute);
    expect(await verify(await fake.signToken())).toBe('verified');
  });
});

describe('outages', () => {
  test.each([500, 429, 404, 'garbage', 'empty', 'huge', 'reset', 'redirect', 'silent'] as const)(
    'without any keys, an answer of %s is unavailable (503), never a bad token [R19]',
    async (fault) => {
      const { fake, verify } = await start();
      fake.break(fault, '/keys');
      expect(await verify(await fake.signToken())).toBe('identity_unavailable');
    },
  );

  test('the refusal says when to come back, and until then nothing is fetched again [R19]', async () => {
    const { clock, fake, keys, verify } = await start();
    fake.break(500, '/keys');
    const token = await fake.signToken();
    const error: GatehouseError = await verifyToken(token, keys.find, {
      rules: { ...strictRules, issuers: [fake.issuer], audiences: [fake.audience] },
      clock,
    }).then(
      () => Promise.reject(new Error('verified')),
      (thrown) => thrown,
    );
    expect([error.row.http, error.retryAfterSeconds]).toEqual([503, 10]);
    for (let i = 0; i < 50; i++) expect(await verify(token)).toBe('identity_unavailable');
    expect(fake.count('/keys')).toBe(1);
    fake.break(undefined);
    clock.advance(10_001);
    expect(await verify(token)).toBe('verified');
  });

  test.each([500, 'garbage', 'empty', 'huge', 'reset'] as const)(
    'after an answer of %s the old keys serve for six hours, then no longer [R19]',
    async (fault) => {
      const { clock, fake, verify } = await start();
      expect(await verify(await fake.signToken())).toBe('verified');
      fake.break(fault, '/keys');
      for (const passed of [10 * minute, 2 * hour, 3 * hour, 49 * minute]) {
        clock.advance(passed);
        expect(await verify(await fake.signToken())).toBe('verified');
      }
      clock.advance(2 * minute);
      expect(await verify(await fake.signToken())).toBe('identity_unavailable');
      fake.break(undefined);
      clock.advance(11_000);
      expect(await verify(await fake.signToken())).toBe('verified');
    },
  );

  test('a failing renewal is tried again every 30 seconds at most [R19]', async () => {
    const { clock, fake, verify } = await start();
    await verify(await fake.signToken());
    fake.break(500, '/keys');
    clock.advance(6 * minute);
    for (let second = 0; second < 60; second += 1) {
      clock.advance(1000);
      expect(await verify(await fake.signToken())).toBe('verified');
    }
    await expect.poll(() => fake.count('/keys')).toBeGreaterThanOrEqual(2);
    expect(fake.count('/keys')).toBeLessThanOrEqual(4);
  });
});

describe('rotation', () => {
  test('a new key is learnt at its first token, by one fetch for all of them [R19]', async () => {
    const { fake, verify } = await start();
    await verify(await fake.signToken());
    await fake.keys.rotate();
    const token = await fake.signToken();
    const codes = await Promise.all(Array.from({ length: 100 }, () => verify(token)));
    expect(new Set(codes)).toEqual(new Set(['verified']));
    expect(fake.count('/keys')).toBe(2);
  });

  test('tokens of a key that was taken back are refused once the new set is here', async () => {
    const { fake, verify } = await start();
    const old = await fake.signToken();
    expect(await verify(old)).toBe('verified');
    await fake.keys.rotate();
    await verify(await fake.signToken());
    expect(await verify(old)).toBe('invalid_token');
  });

  test('a thousand unknown key ids cost one fetch in 30 seconds [B3]', async () => {
    const { clock, fake, verify } = await start();
    await verify(await fake.signToken());
    const flood = async () => {
      for (let i = 0; i < 500; i++) {
        expect(await verify(await fake.signToken({}, { header: { kid: `made-up-${i}` } }))).toBe('invalid_token');
      }
    };
    await flood();
    clock.advance(29_000);
    await flood();
    expect(fake.count('/keys')).toBe(2);
    clock.advance(2000);
    await flood();
    expect(fake.count('/keys')).toBe(3);
  });

  test('right after the first fetch, or past 256 characters, a key id is unknown without another [B3]', async () => {
    const { fake, verify } = await start();
    expect(await verify(await fake.signToken({}, { header: { kid: 'made-up' } }))).toBe('invalid_token');
    expect(await verify(await fake.signToken({}, { header: { kid: 'x'.repeat(257) } }))).toBe('invalid_token');
    expect(fake.count('/keys')).toBe(1);
  });

  test('an unknown key id while the key server is down can not be judged: unavailable, others go on', async () => {
    const { fake, verify } = await start();
    const good = await fake.signToken();
    await verify(good);
    await fake.keys.rotate();
    fake.break(500, '/keys');
    expect(await verify(await fake.signToken())).toBe('identity_unavailable');
    expect(await verify(good)).toBe('verified');
  });
});

test('more than a hundred keys are refused [R19]', async () => {
  const { fake, verify } = await start();
  const token = await fake.signToken();
  for (let i = 0; i < 100; i++) await fake.keys.rotate({ keepOld: true });
  expect(await verify(token)).toBe('identity_unavailable');
});
