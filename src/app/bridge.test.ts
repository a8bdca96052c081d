import { expect, test } from 'vitest';
import type { IdentityMode, IdentityProvider } from '#adapters/identity/identity.ts';
import { openMemoryLimiter } from '#adapters/limiter/memory/memory.ts';
import { silentLog } from '#core/log.ts';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openBridge } from './bridge.ts';

const limiter = openMemoryLimiter(100);
const deps = {
  ...{ baseUrl: 'https://gw.example/base', clock: manualClock(), log: silentLog, limiter },
  readAddress: (address: string) => address,
};

const provider = (name: string, mode: IdentityMode, bridged = false): IdentityProvider => ({
  kind: 'entra',
  name,
  title: name,
  mode,
  issuers: [],
  ...(bridged && {
    bridge: {
      clientId: 'c',
      authorizationEndpoint: 'https://login.microsoftonline.com/t/oauth2/v2.0/authorize',
      tokenEndpoint: 'https://login.microsoftonline.com/t/oauth2/v2.0/token',
      jwksUri: 'https://login.microsoftonline.com/t/discovery/v2.0/keys',
      fetch,
    },
  }),
  verify: () => Promise.reject(new Error('not asked')),
  close: async () => undefined,
});

test('without a bridge nothing changes', () => {
  expect(openBridge([provider('a', 'direct'), provider('b', 'broker')], deps)).toBeUndefined();
});

test('the bridge is the authorization server of a gateway whose URL may have a path [S2.2]', async () => {
  const direct = provider('other', 'direct');
  const opened = openBridge([direct, provider('entra', 'bridge', true)], deps);
  const [first, second] = opened?.providers ?? [];
  expect(first).toBe(direct);
  expect(second?.authorizationServer).toBe('https://gw.example/base');
  expect(await second?.metadata?.()).toMatchObject({
    issuer: 'https://gw.example/base',
    token_endpoint: 'https://gw.example/base/oauth2/token',
  });
});

test('a bridge beside a provider that signs people in, beside another bridge, or of the wrong kind refuses to start', () => {
  const entra = provider('entra', 'bridge', true);
  expect(() => openBridge([entra, provider('github', 'broker')], deps)).toThrow(/whole gateway.*github mode: direct/);
  expect(() => openBridge([entra, provider('second', 'bridge', true)], deps)).toThrow(/whole gateway/);
  expect(() => openBridge([provider('okta', 'bridge')], deps)).toThrow(/okta has no bridge mode/);
});
