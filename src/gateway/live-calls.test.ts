import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asKeyId, asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import type { Caller } from './identify.ts';
import { type LiveCalls, openLiveCalls } from './live-calls.ts';

const org = asOrgId('0197a000-0000-7000-8000-000000000001');
const user = (more: Partial<Caller> = {}): Caller => ({
  principal: {
    ...{ kind: 'user', key: principalKey('i', 's'), issuer: 'i', subject: 's', claims: {} },
    expiresAt: Date.now() + 60_000,
  },
  provider: undefined,
  ...more,
});
const key: Caller = {
  principal: { kind: 'api-key', key: principalKey('k', '1'), keyId: asKeyId('1'), name: 'k', org, roles: [] },
  provider: undefined,
};

let calls: LiveCalls | undefined;
afterEach(() => calls?.close());

function open(live: LiveCalls, caller: Caller, judge: () => Promise<void>) {
  const seen = { judged: 0, cut: undefined as string | undefined };
  const leave = live.add({
    caller,
    organization: () => org,
    judge: () => {
      seen.judged++;
      return judge();
    },
    cut(error) {
      seen.cut = error.code;
      leave();
    },
  });
  return seen;
}
const gone = () => Promise.reject(new GatehouseError('not_member'));
const unknown = () => Promise.reject(new GatehouseError('identity_unavailable'));

test('streams of those of whom nothing is announced are judged anew by and by [B11]', async () => {
  calls = openLiveCalls({ log: silentLog, clock: systemClock, sweepMs: 5 });
  const theirs = open(calls, user(), gone);
  const shared = open(calls, user({ userId: 'u' }), gone);
  const ours = open(calls, user({ tokenId: 't', userId: 'u' }), gone);
  const program = open(calls, key, gone);
  const { principal } = user();
  const outlived = open(calls, { provider: undefined, principal: { ...principal, expiresAt: Date.now() } }, gone);
  await expect.poll(() => [theirs.cut, shared.cut]).toEqual(['not_member', 'not_member']);
  expect([ours.judged, program.judged, outlived.judged]).toEqual([0, 0, 0]);
});

test('one that cannot be judged stays, and holds up nobody who can [B11]', async () => {
  calls = openLiveCalls({ log: silentLog, clock: systemClock });
  const stuck = open(calls, user({ tokenId: 'a' }), unknown);
  calls.hear({ kind: 'token', id: 'a' });
  await expect.poll(() => stuck.judged).toBe(1);
  const revoked = open(calls, user({ tokenId: 'b' }), gone);
  const from = performance.now();
  calls.hear({ kind: 'token', id: 'b' });
  await expect.poll(() => revoked.cut, { interval: 5 }).toBe('not_member');
  expect(performance.now() - from).toBeLessThan(300);
  expect(stuck.cut).toBeUndefined();
  await expect.poll(() => stuck.judged, { timeout: 3000 }).toBeGreaterThan(1);
});
