import { beforeEach, expect, test } from 'vitest';
import { GatehouseError } from '#core/error.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { type Breakers, openBreakers, type Verdict, verdictOf } from './breakers.ts';

const acme = asOrgId('acme');
const other = asOrgId('other');
const server = asServerId('docs');
const settings = {
  consecutiveFailures: 5,
  failurePercent: 50,
  minimumCalls: 20,
  windowMs: 10_000,
  openMs: 5_000,
  openMaxMs: 60_000,
};

let clock: ManualClock;
let breakers: Breakers;
beforeEach(() => {
  clock = manualClock();
  breakers = openBreakers({ settings, clock, log: silentLog });
});

const call = (verdict: Verdict, org = acme) => {
  breakers.report({ pass: breakers.admit(org, server), org, server }, verdict);
};
const times = (count: number, verdict: Verdict) => {
  for (let i = 0; i < count; i++) call(verdict);
};

test('five failures in a row open it, for this organization only, and a call is told when to come again', () => {
  times(4, 'failed');
  call('answered');
  times(4, 'failed');
  expect(breakers.open).toBe(0);
  call('failed');
  expect(breakers.open).toBe(1);
  expect(() => breakers.admit(acme, server)).toThrow(
    expect.objectContaining({ code: 'upstream_unreachable', retryAfterSeconds: 5 }),
  );
  expect(breakers.admit(other, server)).toBe('usual');
});

test('half of twenty calls in a window open it, old failures do not', () => {
  for (let i = 0; i < 9; i++) {
    call('failed');
    call('answered');
  }
  clock.advance(10_001);
  times(2, 'answered');
  call('failed');
  expect(breakers.open).toBe(0);
  for (let i = 0; i < 10; i++) {
    call('answered');
    if (breakers.open === 0) call('failed');
  }
  expect(breakers.open).toBe(1);
});

test('one probe at a time closes it or opens it for twice as long, up to a minute', () => {
  times(5, 'failed');
  for (const seconds of [5, 10, 20, 40, 60, 60]) {
    clock.advance(seconds * 1000 - 1);
    expect(() => breakers.admit(acme, server)).toThrow();
    clock.advance(1);
    expect(breakers.admit(acme, server)).toBe('probe');
    expect(() => breakers.admit(acme, server)).toThrow();
    breakers.report({ pass: 'probe', org: acme, server }, 'failed');
  }
  clock.advance(60_000);
  const probe = breakers.admit(acme, server);
  // What was under way before says nothing of now, and a probe whose caller left makes room for another.
  breakers.report({ pass: 'usual', org: acme, server }, 'answered');
  expect(breakers.open).toBe(1);
  breakers.report({ pass: probe, org: acme, server }, 'unknown');
  breakers.report({ pass: breakers.admit(acme, server), org: acme, server }, 'answered');
  expect(breakers.open).toBe(0);
  expect(breakers.admit(acme, server)).toBe('usual');
});

test('only what the transport did counts: answers of any kind do not', () => {
  const error = (code: ConstructorParameters<typeof GatehouseError>[0]) => new GatehouseError(code);
  expect(verdictOf({ status: 200, open: false, error: undefined })).toBe('answered');
  expect(verdictOf({ status: 404, open: false, error: undefined })).toBe('answered');
  expect(verdictOf({ status: 503, open: false, error: undefined })).toBe('failed');
  expect(verdictOf({ status: 502, open: false, error: error('upstream_broken') })).toBe('failed');
  expect(verdictOf({ status: 504, open: false, error: error('upstream_timeout') })).toBe('failed');
  expect(verdictOf({ status: 502, open: false, error: error('upstream_refused') })).toBe('answered');
  expect(verdictOf({ status: 499, open: false, error: 'client_gone' })).toBe('unknown');
  expect(verdictOf({ status: 401, open: false, error: error('invalid_token') })).toBe('unknown');
});
