/**
 * Policy sets that Cedar holds parsed. The library can replace a set but not drop one, so sets share a bounded number of
 * places: who has lost its own parses again. A place that another set has by now is never asked.
 */
import type { Policy } from '@cedar-policy/cedar-wasm/nodejs';
import { LRUCache } from 'lru-cache';
import { PolicyProblem } from '#adapters/policy/policy.ts';
import { cedar } from './wasm.ts';

const MAX_SLOTS = 4096;
/** All engines of a process share the library's memory: each has names of its own. */
let engines = 0;

export interface Slots {
  /** The name under which Cedar knows it now. Throws PolicyProblem. */
  nameOf(set: Held): string;
}

export interface Held {
  /** By policy id. */
  readonly policies: Readonly<Record<string, Policy>>;
}

export function openSlots(max = MAX_SLOTS): Slots {
  const prefix = `gatehouse-${++engines}-`;
  const free: number[] = [];
  let made = 0;
  const names = new LRUCache<Held, number>({ max, dispose: (slot) => free.push(slot) });
  return {
    nameOf(set) {
      const known = names.get(set);
      if (known !== undefined) return prefix + known;
      if (names.size >= max) names.pop();
      const slot = free.pop() ?? made++;
      const answer = cedar().preparsePolicySet(prefix + slot, { staticPolicies: { ...set.policies } });
      if (answer.type === 'failure') {
        // What was there before is there still: nobody may find it.
        free.push(slot);
        throw new PolicyProblem(answer.errors[0]?.message ?? 'The policies cannot be parsed');
      }
      names.set(set, slot);
      return prefix + slot;
    },
  };
}
