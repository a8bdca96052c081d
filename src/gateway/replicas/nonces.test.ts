import { expect, test } from 'vitest';
import { manualClock } from '#kit/identity/manual-clock.ts';
import { openNonces } from './nonces.ts';

test('a nonce is taken once, remembered as long as it must be, and no longer', () => {
  const clock = manualClock();
  const nonces = openNonces({ clock, keepMs: 60_000, max: 10 });
  expect(nonces.take('a')).toBe(true);
  clock.advance(59_999);
  expect(nonces.take('a')).toBe(false);
  clock.advance(1);
  expect(nonces.take('b')).toBe(true);
  expect(nonces.size).toBe(1);
});

test('where no more can be remembered, new ones are refused rather than old ones forgotten', () => {
  const clock = manualClock();
  const nonces = openNonces({ clock, keepMs: 60_000, max: 2 });
  expect([nonces.take('a'), nonces.take('b'), nonces.take('c')]).toEqual([true, true, 'full']);
  expect(nonces.take('a')).toBe(false);
  clock.advance(60_000);
  expect(nonces.take('c')).toBe(true);
});
