/** How many calls are under way, per key. Counters only: nothing waits, nothing is a promise. */
export interface Concurrency {
  /** A slot of `key`, to be given back exactly once by calling the result; undefined: all `limit` slots are taken. */
  acquire(key: string, limit: number): (() => void) | undefined;
  /** Slots of `key` now taken. */
  count(key: string): number;
  /** Keys with at least one slot taken: memory is bounded by what is under way. */
  readonly size: number;
}

export function openConcurrency(): Concurrency {
  const taken = new Map<string, number>();
  const release = (key: string): void => {
    const left = (taken.get(key) ?? 0) - 1;
    if (left > 0) taken.set(key, left);
    else taken.delete(key);
  };
  return {
    acquire(key, limit) {
      const count = taken.get(key) ?? 0;
      if (count >= limit) return undefined;
      taken.set(key, count + 1);
      let held = true;
      return () => {
        if (held) release(key);
        held = false;
      };
    },
    count: (key) => taken.get(key) ?? 0,
    get size() {
      return taken.size;
    },
  };
}
