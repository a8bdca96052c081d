/** Numbers used once: of requests that were let in, as long as a copy of one would still be young enough to pass. */
import type { Clock } from '#core/clock.ts';

export interface Nonces {
  /** False: seen before. `full`: no room to remember another one, so it must not be let in. */
  take(nonce: string): boolean | 'full';
  readonly size: number;
}

/** Refuses rather than forgets: a dropped nonce would let its request in again. */
export function openNonces(options: { readonly clock: Clock; readonly keepMs: number; readonly max: number }): Nonces {
  const { clock, keepMs, max } = options;
  /** In the order of their coming, so of their end too. */
  const seen = new Map<string, number>();

  const sweep = (now: number) => {
    for (const [nonce, until] of seen) {
      if (until > now) return;
      seen.delete(nonce);
    }
  };

  return {
    take(nonce) {
      const now = clock.monotonic();
      sweep(now);
      if (seen.has(nonce)) return false;
      if (seen.size >= max) return 'full';
      seen.set(nonce, now + keepMs);
      return true;
    },
    get size() {
      return seen.size;
    },
  };
}
