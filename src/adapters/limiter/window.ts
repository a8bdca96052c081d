/**
 * One key's count. A sliding window remembers when its points were taken, those within a hundredth of it as one: a point
 * comes back after the window, at most 1 % early, and memory is bounded whatever the limit. The same arithmetic is in
 * `redis/script.ts`.
 */
import type { Limit, LimitAnswer, LimitUsage } from './limiter.ts';

/** Of a window: how finely times are told apart. */
export const SLOTS = 100;

export interface Counted {
  /** Takes one point; only after `look` allowed it. */
  take(nowMs: number): void;
  look(nowMs: number, limit: Limit): LimitAnswer;
  usage(nowMs: number, limit: Limit): LimitUsage;
}

export function openWindow(windowMs: number): Counted {
  const slotMs = windowMs / SLOTS;
  const at: number[] = [];
  const counts: number[] = [];
  let used = 0;

  function forget(nowMs: number): void {
    let over = 0;
    for (let first = at[over]; first !== undefined && first <= nowMs - windowMs; first = at[++over])
      used -= counts[over] ?? 0;
    if (over === 0) return;
    at.splice(0, over);
    counts.splice(0, over);
  }

  /** Until `points` are enough for one more. */
  function waitFor(points: number, nowMs: number): number {
    if (points <= 0) return windowMs;
    let left = used;
    for (const [i, when] of at.entries()) {
      left -= counts[i] ?? 0;
      if (left < points) return when + windowMs - nowMs;
    }
    return 0;
  }

  return {
    take(nowMs) {
      const last = at.length - 1;
      const latest = at[last];
      if (latest !== undefined && nowMs - latest < slotMs) counts[last] = (counts[last] ?? 0) + 1;
      else {
        at.push(nowMs);
        counts.push(1);
      }
      used++;
    },
    look(nowMs, { points }) {
      forget(nowMs);
      const first = at[0];
      if (used < points)
        return {
          allowed: true,
          remaining: points - used - 1,
          resetMs: first === undefined ? windowMs : first + windowMs - nowMs,
        };
      return { allowed: false, remaining: 0, resetMs: waitFor(points, nowMs) };
    },
    usage(nowMs) {
      forget(nowMs);
      const first = at[0];
      return { used, resetMs: first === undefined ? 0 : first + windowMs - nowMs };
    },
  };
}

export function openBucket(windowMs: number): Counted {
  /** Taken and not yet come back. */
  let used = 0;
  let at = 0;
  let rate = 0;

  function fill(nowMs: number, { points }: Limit): void {
    rate = points / windowMs;
    used = Math.max(0, used - Math.max(0, nowMs - at) * rate);
    at = nowMs;
  }

  return {
    take() {
      used++;
    },
    look(nowMs, limit) {
      fill(nowMs, limit);
      const left = limit.points + (limit.burst ?? 0) - used;
      if (left >= 1) return { allowed: true, remaining: Math.floor(left - 1), resetMs: backIn(1, rate, windowMs) };
      return { allowed: false, remaining: 0, resetMs: backIn(1 - left, rate, windowMs) };
    },
    usage(nowMs, limit) {
      fill(nowMs, limit);
      return { used: Math.ceil(used), resetMs: used === 0 ? 0 : backIn(Math.min(1, used), rate, windowMs) };
    },
  };
}

const backIn = (points: number, rate: number, windowMs: number): number =>
  rate === 0 ? windowMs : Math.ceil(points / rate);

/** How long nothing has to be remembered of it, once nothing more is taken. Milliseconds. */
export function lifeOf({ points, windowSeconds, burst = 0 }: Limit): number {
  const windowMs = windowSeconds * 1000;
  return burst === 0 || points === 0 ? windowMs : Math.ceil(windowMs * (1 + burst / points));
}

/** Limits of one length and kind share a count, so that a changed number of points holds at once. */
export const nameOf = (key: string, { windowSeconds, burst }: Limit): string =>
  `${burst ? 'b' : 'w'}${windowSeconds}:${key}`;

/** Of several that were asked for together: refused by one is refused by all, for as long as the longest. */
export function joinAnswers(answers: readonly LimitAnswer[]): LimitAnswer {
  const refused = answers.filter(({ allowed }) => !allowed);
  if (refused.length > 0)
    return { allowed: false, remaining: 0, resetMs: Math.max(...refused.map(({ resetMs }) => resetMs)) };
  const [first, ...others] = answers;
  return others.reduce((tightest, answer) => (answer.remaining < tightest.remaining ? answer : tightest), {
    ...(first ?? { allowed: true, remaining: Number.MAX_SAFE_INTEGER, resetMs: 0 }),
  });
}
