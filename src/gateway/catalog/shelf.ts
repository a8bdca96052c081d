/**
 * What is fetched from servers and kept: whoever asks gets the newest within a short time, or else the last good one.
 * One flight per key; a load is waited for once; what failed is tried again by itself, so that a server that comes back is
 * there again without anybody asking.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';

export interface Shelf<T> {
  /** One answer per wish, in their order. Never rejects. */
  read(wishes: readonly Wish<T>[]): Promise<readonly Shown<T>[]>;
  /** As it is in memory. */
  peek(key: string): T | undefined;
  /** Is in memory, and as new as it should be. */
  isFresh(key: string): boolean;
  /** Everything of this group is older than it may be from now on; what is still in use is fetched anew at once. */
  outdate(group: string, how?: Outdating): void;
  close(): void;
}

export interface Outdating {
  /** Perhaps nothing changed: told only where something did, or where nobody here can know. */
  readonly isRumour?: boolean;
  /** Another group's change tells of it too: nothing is said where nobody uses it. */
  readonly isAside?: boolean;
}

export interface Wish<T> {
  readonly key: string;
  /** What changes together. */
  readonly group: string;
  /** Whose silence it is: nobody waits for the first words of the same one twice. */
  readonly source: string;
  readonly load: () => Promise<Loaded<T>>;
}

export interface Loaded<T> {
  readonly value: T;
  /** Milliseconds that it is good for. */
  readonly ttlMs: number;
  /** The server itself said no less. */
  readonly saidMs: number;
  readonly bytes: number;
}

export interface Shown<T> {
  /** Undefined: it was never fetched. */
  readonly value: T | undefined;
  /** Older than it may be, and the server could not be asked in time. */
  readonly isStale: boolean;
  /** Milliseconds that it may still be taken for new, as far as its server said. */
  readonly freshMs: number;
}

export interface ShelfDeps<T> {
  readonly clock: Clock;
  /** Milliseconds that a load is waited for: where something is there already, and where nothing ever was. */
  readonly patienceMs: number;
  readonly firstPatienceMs: number;
  /** Of all values together. */
  readonly maxBytes: number;
  /** Somebody was shown something else than what is there now. `key` undefined: whoever uses the group. */
  readonly onChanged: (group: string, key: string | undefined) => void;
  readonly onFailed: (key: string, error: unknown) => void;
  readonly isSame: (a: T, b: T) => boolean;
  /** Runs it after so many milliseconds; the result gives it up. */
  readonly after?: (ms: number, run: () => void) => () => void;
  /** 0 to 1. */
  readonly random?: () => number;
}

/** Until what failed is tried again: at first, doubled each time, at most. */
const RETRY_MS = 1000;
const RETRY_MAX_MS = 30_000;
/** What nobody has asked for since is not tried again by itself. */
const USED_MS = 600_000;
/** Of servers that say `changed` without end: so many at once, then one each so often (SECURITY F2). */
const OUTDATE_BURST = 5;
const OUTDATE_EACH_MS = 5000;
const ENTRY_BYTES = 500;

interface Entry<T> {
  readonly key: string;
  readonly group: string;
  wish: Wish<T>;
  value: T | undefined;
  /** Monotonic milliseconds, as all of these. */
  goodUntil: number;
  saidMs: number;
  /** Of its group, when the load began. */
  generation: number;
  loading: Promise<void> | undefined;
  startedAt: number;
  failures: number;
  retryAt: number;
  usedAt: number;
  /** Somebody was told that it is missing, or old because the server failed, or the server says that it changed. */
  owed: boolean;
  cancelRetry: (() => void) | undefined;
}

interface Box<T> {
  readonly entry: Entry<T>;
}

interface Group {
  readonly keys: Set<string>;
  /** Counts what was said to have changed. */
  generation: number;
  tokens: number;
  filledAt: number;
  waiting: boolean;
}

export function openShelf<T extends object>(deps: ShelfDeps<T>): Shelf<T> {
  const { clock, after = later, random = Math.random } = deps;
  const groups = new Map<string, Group>();
  /** In boxes: a size counts from a new value only. */
  const entries = new LRUCache<string, Box<T>>({
    max: 20_000,
    maxSize: deps.maxBytes,
    sizeCalculation: () => ENTRY_BYTES,
    dispose: ({ entry }, key, reason) => {
      if (reason !== 'set') forget(entry, key);
    },
  });
  /** Sources whose first words were waited for in vain. */
  const slow = new LRUCache<string, true>({ max: 10_000 });
  let closed = false;

  function forget({ group, cancelRetry }: Entry<T>, key: string): void {
    cancelRetry?.();
    const keys = groups.get(group)?.keys;
    keys?.delete(key);
    if (keys?.size === 0) groups.delete(group);
  }

  function entryOf(wish: Wish<T>): Entry<T> {
    const known = entries.get(wish.key)?.entry;
    if (known) {
      known.wish = wish;
      return known;
    }
    const made: Entry<T> = {
      key: wish.key,
      group: wish.group,
      wish,
      value: undefined,
      goodUntil: Number.NEGATIVE_INFINITY,
      saidMs: 0,
      generation: 0,
      loading: undefined,
      startedAt: 0,
      failures: 0,
      retryAt: Number.NEGATIVE_INFINITY,
      usedAt: 0,
      owed: false,
      cancelRetry: undefined,
    };
    entries.set(wish.key, { entry: made });
    groupOf(wish.group).keys.add(wish.key);
    return made;
  }

  function groupOf(name: string): Group {
    const known = groups.get(name);
    if (known) return known;
    const now = clock.monotonic();
    const made = {
      keys: new Set<string>(),
      generation: 0,
      tokens: OUTDATE_BURST,
      filledAt: now,
      waiting: false,
    };
    groups.set(name, made);
    return made;
  }

  const generationOf = (name: string) => groups.get(name)?.generation ?? 0;

  function isGood({ goodUntil, generation, group }: Entry<T>, now: number): boolean {
    return now < goodUntil && generation === generationOf(group);
  }

  /** Starts a load where one is needed. */
  function refresh(entry: Entry<T>): void {
    const now = clock.monotonic();
    if (closed || entry.loading || isGood(entry, now) || now < entry.retryAt) return;
    entry.cancelRetry?.();
    entry.cancelRetry = undefined;
    entry.startedAt = now;
    entry.loading = load(entry).finally(() => {
      entry.loading = undefined;
      // It changed while it was on its way.
      if (entry.owed && entry.failures === 0) refresh(entry);
    });
  }

  async function load(entry: Entry<T>): Promise<void> {
    const generation = generationOf(entry.group);
    try {
      const { value, ttlMs, saidMs, bytes } = await entry.wish.load();
      const before = entry.value;
      const isSame = before !== undefined && deps.isSame(before, value);
      if (!isSame) entry.value = value;
      entry.generation = generation;
      entry.goodUntil = clock.monotonic() + spread(ttlMs);
      entry.saidMs = saidMs;
      entry.failures = 0;
      entry.retryAt = Number.NEGATIVE_INFINITY;
      slow.delete(entry.wish.source);
      if (entries.peek(entry.key)?.entry === entry) entries.set(entry.key, { entry }, { size: ENTRY_BYTES + bytes });
      const isTold = entry.owed || (before !== undefined && !isSame);
      entry.owed = generation !== generationOf(entry.group);
      if (isTold) deps.onChanged(entry.group, entry.key);
    } catch (error) {
      fail(entry, error);
    }
  }

  function fail(entry: Entry<T>, error: unknown): void {
    entry.failures++;
    const asked = error instanceof GatehouseError ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const waitMs = Math.min(RETRY_MAX_MS, Math.max(asked, RETRY_MS * 2 ** Math.min(10, entry.failures - 1)));
    entry.retryAt = clock.monotonic() + spread(waitMs);
    deps.onFailed(entry.key, error);
    retryLater(entry, spread(waitMs));
  }

  function retryLater(entry: Entry<T>, ms: number): void {
    if (closed) return;
    entry.cancelRetry = after(ms, () => {
      entry.cancelRetry = undefined;
      if (entries.peek(entry.key)?.entry !== entry || clock.monotonic() - entry.usedAt > USED_MS) return;
      entry.retryAt = Number.NEGATIVE_INFINITY;
      refresh(entry);
    });
  }

  /** Not all at the same moment (SECURITY R25); never later than what was said. */
  const spread = (ms: number) => ms * (1 - 0.2 * random());

  /** Each load is waited for from its start on, whoever waits: a server that hangs delays once. */
  async function wait(asked: readonly Entry<T>[]): Promise<void> {
    const now = clock.monotonic();
    const waits = asked.flatMap((entry) => {
      const { loading, value, startedAt, wish } = entry;
      if (!loading) return [];
      const isFirst = value === undefined && !slow.has(wish.source);
      const leftMs = startedAt + (isFirst ? deps.firstPatienceMs : deps.patienceMs) - now;
      if (leftMs <= 0) return [];
      return within(loading, leftMs, after).then(() => {
        if (isFirst && entry.value === undefined && clock.monotonic() - now > deps.patienceMs)
          slow.set(wish.source, true);
      });
    });
    if (waits.length > 0) await Promise.all(waits);
  }

  function show(entry: Entry<T>): Shown<T> {
    const now = clock.monotonic();
    const isStale = !isGood(entry, now);
    if (entry.value === undefined || (isStale && entry.failures > 0)) entry.owed = true;
    const freshMs = isStale ? 0 : Math.floor(Math.min(entry.saidMs, entry.goodUntil - now));
    return { value: entry.value, isStale, freshMs };
  }

  function outdateNow(name: string, group: Group, { isRumour, isAside }: Outdating): void {
    const now = clock.monotonic();
    group.generation++;
    let isUsed = false;
    for (const key of group.keys) {
      const entry = entries.peek(key)?.entry;
      if (!entry) continue;
      entry.owed ||= !isRumour || entry.value === undefined;
      entry.retryAt = Number.NEGATIVE_INFINITY;
      if (now - entry.usedAt > USED_MS) continue;
      isUsed = true;
      refresh(entry);
    }
    if (!isUsed && !isAside) deps.onChanged(name, undefined);
  }

  return {
    async read(wishes) {
      const now = clock.monotonic();
      const asked = wishes.map((wish) => {
        const entry = entryOf(wish);
        entry.usedAt = now;
        refresh(entry);
        return entry;
      });
      if (asked.some(({ loading }) => loading)) await wait(asked);
      return asked.map(show);
    },
    peek: (key) => entries.get(key)?.entry.value,
    isFresh(key) {
      const entry = entries.peek(key)?.entry;
      return entry?.value !== undefined && isGood(entry, clock.monotonic());
    },
    outdate(name, how = {}) {
      const group = groupOf(name);
      if (group.waiting) return;
      const now = clock.monotonic();
      const filled = Math.floor((now - group.filledAt) / OUTDATE_EACH_MS);
      group.tokens = Math.min(OUTDATE_BURST, group.tokens + filled);
      group.filledAt += filled * OUTDATE_EACH_MS;
      if (group.tokens > 0) {
        group.tokens--;
        outdateNow(name, group, how);
        return;
      }
      group.waiting = true;
      after(group.filledAt + OUTDATE_EACH_MS - now, () => {
        group.waiting = false;
        group.filledAt = clock.monotonic();
        // Whatever was said meanwhile.
        if (!closed) outdateNow(name, group, {});
      });
    },
    close() {
      closed = true;
      entries.clear();
    },
  };
}

function later(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}

function within(work: Promise<unknown>, ms: number, after: (ms: number, run: () => void) => () => void): Promise<void> {
  return new Promise((resolve) => {
    const giveUp = after(ms, resolve);
    const done = () => {
      giveUp();
      resolve();
    };
    work.then(done, done);
  });
}
