import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { openConcurrency } from './concurrency.ts';

describe('concurrency', () => {
  test('a key gets its limit of slots, refuses the next and takes again after a release', () => {
    const slots = openConcurrency();
    const first = slots.acquire('a', 2);
    expect(slots.acquire('a', 2)).toBeDefined();
    expect(slots.acquire('a', 2)).toBeUndefined();
    expect(slots.acquire('b', 2)).toBeDefined();
    first?.();
    expect(slots.acquire('a', 2)).toBeDefined();
  });

  test('a slot given back twice counts once', () => {
    const slots = openConcurrency();
    const release = slots.acquire('a', 5);
    slots.acquire('a', 5);
    release?.();
    release?.();
    expect(slots.count('a')).toBe(1);
  });

  test('a limit of zero admits nobody', () => {
    expect(openConcurrency().acquire('a', 0)).toBeUndefined();
  });

  test('whatever the order, no key passes its limit and nothing is left when all is given back', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.boolean())), (steps) => {
        const slots = openConcurrency();
        const held: (() => void)[] = [];
        for (const [key, takes] of steps) {
          const release = takes ? slots.acquire(key, 3) : held.pop();
          if (!takes) release?.();
          else if (release) held.push(release);
          expect(slots.count(key)).toBeLessThanOrEqual(3);
        }
        for (const release of held) release();
        expect(slots.size).toBe(0);
      }),
    );
  });
});
