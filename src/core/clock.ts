/** Time as a dependency: tests own it, production reads it here and nowhere else. */
export interface Clock {
  /** Wall time, Unix milliseconds: for what other machines read (tokens, rows). */
  now(): number;
  /** Monotonic milliseconds: for durations, limits and timeouts, immune to clock jumps. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};
