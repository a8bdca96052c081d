/** Holdings in memory: found without a promise on a warm call, dropped when the change feed says so. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import type { OrgId } from '#core/ids.ts';
import type { Change, ChangeFeed } from '#db/change-feed.ts';
import type { Holder, Holdings } from './holdings.ts';

export interface HoldingStore {
  /** undefined: not in memory, ask `load`. */
  find(org: OrgId, holder: Holder): Holdings | undefined;
  /** One statement in flight per question. Throws `storage_unavailable`. */
  load(org: OrgId, holder: Holder): Promise<Holdings>;
  close(): void;
}

export interface HoldingStoreDeps {
  readonly feed: ChangeFeed;
  readonly findHoldings: (org: OrgId, holder: Holder) => Promise<Holdings>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** 50,000 unless told. */
  readonly maxEntries?: number;
}

interface Held {
  readonly org: OrgId;
  readonly holdings: Holdings;
  readonly tags: readonly string[];
}

interface Flight {
  isOutdated: boolean;
  result: Promise<Holdings>;
}

/** Of somebody whom a directory may yet come to know nothing is announced (SECURITY 3.7). */
const unknownMs = 60_000;

export function openHoldingStore({ feed, findHoldings, clock, maxEntries = 50_000 }: HoldingStoreDeps): HoldingStore {
  /** `user:{id}`, `key:{id}` and `organization:{id}` → what hangs on it. */
  const byTag = new Map<string, Set<string>>();
  const held = new LRUCache<string, Held>({
    max: maxEntries,
    perf: { now: () => clock.monotonic() },
    ttlResolution: 0,
    dispose: ({ tags }, key) => {
      for (const tag of tags) {
        const keys = byTag.get(tag);
        keys?.delete(key);
        if (keys?.size === 0) byTag.delete(tag);
      }
    },
  });
  const flights = new Map<string, Flight>();

  function keep(key: string, org: OrgId, holder: Holder, holdings: Holdings): void {
    const tags = [`organization:${org}`, ...tagsOf(holder, holdings)];
    const isUnknown = holder.kind === 'user' && holder.words !== undefined && holdings.directoryUserId === undefined;
    held.set(key, { org, holdings, tags }, isUnknown ? { ttl: unknownMs } : {});
    for (const tag of tags) {
      const keys = byTag.get(tag);
      if (keys) keys.add(key);
      else byTag.set(tag, new Set([key]));
    }
  }

  async function fly(key: string, org: OrgId, { holder, flight }: { holder: Holder; flight: Flight }) {
    const holdings = await findHoldings(org, holder);
    // Somebody without a row may get one: who it is is asked again each time.
    if (!flight.isOutdated && (holder.kind === 'key' || holdings.userId !== undefined))
      keep(key, org, holder, holdings);
    return holdings;
  }

  const unsubscribe = feed.subscribe((change: Change) => {
    if (change.kind === 'everything') held.clear();
    else if (change.kind !== 'user' && change.kind !== 'key' && change.kind !== 'organization') return;
    else for (const key of [...(byTag.get(`${change.kind}:${change.id}`) ?? [])]) held.delete(key);
    for (const flight of flights.values()) flight.isOutdated = true;
    flights.clear();
  });

  return {
    find: (org, holder) => held.get(keyOf(org, holder))?.holdings,
    load(org, holder) {
      const key = keyOf(org, holder);
      const known = held.get(key);
      if (known) return Promise.resolve(known.holdings);
      const running = flights.get(key);
      if (running) return running.result;
      const flight: Flight = { isOutdated: false, result: Promise.reject() };
      flight.result.catch(() => undefined);
      flights.set(key, flight);
      flight.result = fly(key, org, { holder, flight }).finally(() => {
        if (flights.get(key) === flight) flights.delete(key);
      });
      return flight.result;
    },
    close: unsubscribe,
  };
}

function tagsOf(holder: Holder, { userId, directoryUserId }: Holdings): readonly string[] {
  if (holder.kind === 'key') return [`key:${holder.id}`];
  return [...new Set([userId, directoryUserId])].flatMap((id) => (id === undefined ? [] : [`user:${id}`]));
}

/** Asked for with every call: ids need no quoting. */
function keyOf(org: OrgId, holder: Holder): string {
  if (holder.kind === 'key' || (holder.kind === 'user' && !holder.words)) return `${org} ${holder.kind} ${holder.id}`;
  const { words } = holder;
  const who = holder.kind === 'user' ? [holder.kind, holder.id] : [holder.provider, holder.subject];
  return JSON.stringify(words ? [org, ...who, words.names, words.externalIds] : [org, ...who]);
}
