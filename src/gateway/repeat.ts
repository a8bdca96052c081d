/**
 * Requests that are sent a second time (SECURITY 3.4): once, where the server can't have done it yet or where twice is
 * once; after a short pause of random length, only where at least half of the time is left, and only as long as that is
 * an exception: retries of many callers at once would keep a server down that is about to come back.
 */
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/error.ts';
import type { Call } from './call.ts';
import { safeMethods } from './peers/peer.ts';

/** Whether it may be sent anew at all. */
export function mayRepeat({ message }: Pick<Call, 'message'>, error: GatehouseError, sent: boolean): boolean {
  if (error.code !== 'upstream_broken' && error.code !== 'upstream_unreachable') return false;
  if (!sent) return true;
  const isSafe = message?.method !== undefined && safeMethods.has(message.method);
  return isSafe && !/"(?:requestState|inputResponses)"/.test(message.bytes.toString('latin1'));
}

export interface Repeats {
  /** A request goes to this server: `lineOf`. */
  note(line: string): void;
  /** Milliseconds to wait before it is sent anew; undefined: it is not to be. */
  take(line: string, time: { readonly spentMs: number; readonly totalMs: number }): number | undefined;
}

interface Window {
  startedAt: number;
  requests: number;
  repeats: number;
}

const WINDOW_MS = 10_000;
const SHARE = 0.1;
/** Of a server that is seldom called ten percent would be none. */
const LEAST = 3;
const PAUSE_MS = { least: 50, most: 250 } as const;
const MAX_SERVERS = 5000;

export function openRepeats({
  clock,
  random = Math.random,
}: {
  readonly clock: Clock;
  readonly random?: () => number;
}): Repeats {
  const windows = new Map<string, Window>();

  function windowOf(line: string): Window {
    const now = clock.monotonic();
    const known = windows.get(line);
    if (known) {
      if (now - known.startedAt > WINDOW_MS) Object.assign(known, { startedAt: now, requests: 0, repeats: 0 });
      return known;
    }
    if (windows.size >= MAX_SERVERS) windows.clear();
    const made = { startedAt: now, requests: 0, repeats: 0 };
    windows.set(line, made);
    return made;
  }

  return {
    note(line) {
      windowOf(line).requests++;
    },
    take(line, { spentMs, totalMs }) {
      const window = windowOf(line);
      if (totalMs > 0 && spentMs * 2 > totalMs) return undefined;
      if (window.repeats >= Math.max(LEAST, window.requests * SHARE)) return undefined;
      window.repeats++;
      return PAUSE_MS.least + random() * (PAUSE_MS.most - PAUSE_MS.least);
    },
  };
}

export interface Repeating {
  readonly repeats: Repeats;
  readonly clock: Clock;
  readonly line: string;
  readonly totalMs: number;
  readonly start: () => void;
  readonly fail: (thrown: unknown) => void;
}

/** For one call: true, and it is started anew in a moment, unless it is over by then. */
export function repeatOnce(call: Call, { repeats, clock, line, totalMs, start, fail }: Repeating) {
  let isRepeated = false;
  return (error: GatehouseError, sent: boolean): boolean => {
    if (isRepeated || !mayRepeat(call, error, sent)) return false;
    const pauseMs = repeats.take(line, { spentMs: clock.monotonic() - call.startedAt, totalMs });
    if (pauseMs === undefined) return false;
    isRepeated = true;
    setTimeout(() => {
      if (call.accounted) return;
      try {
        start();
      } catch (thrown) {
        fail(thrown);
      }
    }, pauseMs);
    return true;
  };
}
