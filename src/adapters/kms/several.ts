/** One service that wraps, and others that still unwrap what was wrapped before: how installations move between services. */
import type { Kms } from './kms.ts';

export function openSeveral(first: Kms, others: readonly Kms[]): Kms {
  const all = [first, ...others];
  return {
    get kekId() {
      return first.kekId;
    },
    knows: (kekId) => all.some((kms) => kms.knows(kekId)),
    wrap: (dek, context) => first.wrap(dek, context),
    async unwrap(key, context) {
      const kms = all.find((one) => one.knows(key.kekId));
      if (!kms) throw new Error(`No configured key management knows the key-encryption key ${key.kekId}`);
      return kms.unwrap(key, context);
    },
    async refresh() {
      await first.refresh?.();
    },
    async close() {
      await Promise.all(all.map((kms) => kms.close()));
    },
  };
}
