/**
 * Which eras a server speaks. Found out by asking it (PROTOCOL: an unrecognised refusal of a modern request means legacy;
 * refused credentials, failures and silence mean nothing), dated, and asked again: a stale verdict of `legacy` would
 * succeed for ever.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import type { Era } from '#mcp/versions.ts';
import type { ServerDefinition } from '#records/snapshot.ts';

export interface Eras {
  /** Undefined: not known. Synchronous: the warm path asks. */
  speaks(server: ServerDefinition, era: Era): boolean | undefined;
  note(server: ServerDefinition, era: Era, speaks: boolean): void;
  /** What is known turned out to be wrong. */
  doubt(server: ServerDefinition): void;
}

interface Verdict {
  legacy: boolean | undefined;
  modern: boolean | undefined;
  /** Monotonic milliseconds of the newest answer. */
  at: number;
}

export function openEras({ clock, ttlMs }: { readonly clock: Clock; readonly ttlMs: number }): Eras {
  const verdicts = new LRUCache<string, Verdict>({ max: 10_000 });
  const keys = new WeakMap<object, string>();

  /** Another address is another server. */
  function keyOf({ id, transport }: ServerDefinition): string {
    let key = keys.get(transport);
    if (key === undefined) {
      key = `${id} ${JSON.stringify(transport)}`;
      keys.set(transport, key);
    }
    return key;
  }

  return {
    speaks(server, era) {
      const verdict = verdicts.get(keyOf(server));
      if (!verdict) return undefined;
      const says = verdict[era];
      // "It does not" is what gets stale unnoticed: what it does speak fails loudly once it no longer does.
      return says === false && clock.monotonic() - verdict.at > ttlMs ? undefined : says;
    },
    note(server, era, speaks) {
      const key = keyOf(server);
      const verdict = verdicts.get(key) ?? { legacy: undefined, modern: undefined, at: 0 };
      verdicts.set(key, { ...verdict, [era]: speaks, at: clock.monotonic() });
    },
    doubt(server) {
      verdicts.delete(keyOf(server));
    },
  };
}
