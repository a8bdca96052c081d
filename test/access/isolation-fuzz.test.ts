/** The short lane: `npm run fuzz:isolation` is the long one, with every organization active. */
import { expect, test } from 'vitest';
import { fuzzIsolation } from './isolation-fuzz.ts';

const isLong = process.env.MODE === 'fuzz';
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 1_000_000);

test(
  "of a thousand organizations none ever sees or writes what is another's, whatever they try [C1] [C2] [C3] [X3.2]",
  async () => {
    const report = await fuzzIsolation({
      ...{ organizations: 1000, seed },
      ...(isLong
        ? { active: 1000, operations: 50_000, deadlineMs: 600_000 }
        : { active: 60, operations: 1500, deadlineMs: 25_000 }),
    });
    expect({ seed, leaks: report.leaks.slice(0, 5) }).toEqual({ seed, leaks: [] });
    // It did try, and those at home were let in.
    expect(report.own).toBeGreaterThan(50);
    expect(report.crossing).toBeGreaterThan(50);
  },
  isLong ? 900_000 : 60_000,
);
