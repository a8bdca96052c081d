/** A clock that a test moves by hand; satisfies the product's Clock. Milliseconds. */
export interface ManualClock {
  now(): number;
  monotonic(): number;
  advance(ms: number): void;
}

export function manualClock(startMs = Date.now()): ManualClock {
  let passed = 0;
  return {
    now: () => startMs + passed,
    monotonic: () => 1000 + passed,
    advance(ms) {
      passed += ms;
    },
  };
}
