/**
 * Organizations in memory: found without a promise, loaded once, renewed in the background when the change feed says so.
 * While the database is away what is in memory stays good; what changed meanwhile comes with the feed's resumption.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { asOrgId, type OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Change, ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import type { Listing, OperatorKey, OrganizationSnapshot, SnapshotStore } from './snapshot.ts';
import { openSnapshotLoader, type SnapshotLoader } from './snapshot-loader.ts';

export interface SnapshotStoreDeps {
  readonly db: Db;
  readonly feed: ChangeFeed;
  readonly clock: Clock;
  readonly log: Log;
  /** Organizations in memory; the least recently asked for leaves first. 2,000 unless told. */
  readonly maxOrganizations?: number;
  /** Of endpoints that don't say how they list. */
  readonly listing?: Listing;
  /** By the server's key. */
  readonly operatorKeys?: ReadonlyMap<string, OperatorKey>;
}

export function openSnapshotStore(deps: SnapshotStoreDeps): SnapshotStore {
  return new CachedSnapshots(deps);
}

const unknownLifeMs = 2_000;
const maxUnknown = 10_000;
const batchSize = 200;
const retryMs = { first: 200, longest: 2_000 } as const;

/** A load under way, and what changed since it began: its result may be older than that. */
interface Flight {
  readonly changed: Set<string>;
  everything: boolean;
  result: Promise<OrganizationSnapshot | undefined>;
}

class CachedSnapshots implements SnapshotStore {
  readonly #loader: SnapshotLoader;
  readonly #log: Log;
  readonly #snapshots: LRUCache<OrgId, OrganizationSnapshot>;
  /** Slugs and external ids of what is in memory. */
  readonly #ids = new Map<string, OrgId>();
  readonly #unknown: LRUCache<string, true>;
  readonly #flights = new Map<string, Flight>();
  readonly #stale = new Set<OrgId>();
  readonly #unsubscribe: () => void;
  readonly #closing = new AbortController();
  readonly #listeners: ((organization: OrgId) => void)[] = [];
  #renewal: Promise<void> | undefined;

  constructor({ db, feed, clock, log, listing, operatorKeys, maxOrganizations = 2_000 }: SnapshotStoreDeps) {
    this.#loader = openSnapshotLoader(db, log, { listing, operatorKeys });
    this.#log = log;
    this.#snapshots = new LRUCache({ max: maxOrganizations, dispose: (gone) => this.#forgetNames(gone) });
    const perf = { now: () => clock.monotonic() };
    this.#unknown = new LRUCache({ max: maxUnknown, ttl: unknownLifeMs, ttlResolution: 0, perf });
    this.#unsubscribe = feed.subscribe((change) => this.#onChange(change));
  }

  find(organization: string): OrganizationSnapshot | undefined {
    return this.#snapshots.get(this.#ids.get(organization) ?? asOrgId(organization.toLowerCase()));
  }

  load(organization: string): Promise<OrganizationSnapshot | undefined> {
    const known = this.find(organization);
    if (known || this.#unknown.has(organization)) return Promise.resolve(known);
    const running = this.#flights.get(organization);
    if (running) return running.result;
    const flight: Flight = { changed: new Set(), everything: false, result: Promise.resolve(undefined) };
    this.#flights.set(organization, flight);
    flight.result = this.#fly(organization, flight).finally(() => this.#flights.delete(organization));
    return flight.result;
  }

  onRenewed(listener: (organization: OrgId) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    this.#closing.abort();
    await Promise.allSettled([...this.#flights.values()].map((flight) => flight.result));
    await this.#renewal;
  }

  async #fly(organization: string, flight: Flight): Promise<OrganizationSnapshot | undefined> {
    const loaded = await this.#loader.loadNamed(organization);
    if (!loaded) {
      if (!flight.everything && flight.changed.size === 0) this.#unknown.set(organization, true);
      return undefined;
    }
    this.#keep(loaded);
    if (flight.everything || flight.changed.has(loaded.id)) this.#renew([loaded.id]);
    return this.#snapshots.get(loaded.id) ?? loaded;
  }

  #onChange(change: Change): void {
    if (change.kind !== 'organization' && change.kind !== 'everything') return;
    // It may have been made, or have taken a name that nobody had.
    this.#unknown.clear();
    for (const flight of this.#flights.values()) {
      if (change.kind === 'everything') flight.everything = true;
      else flight.changed.add(change.id);
    }
    if (change.kind === 'everything') this.#renew([...this.#snapshots.keys()]);
    else if (this.#snapshots.has(asOrgId(change.id))) this.#renew([asOrgId(change.id)]);
  }

  #renew(ids: readonly OrgId[]): void {
    for (const id of ids) this.#stale.add(id);
    this.#renewal ??= this.#renewAll().finally(() => {
      this.#renewal = undefined;
    });
  }

  /** Until nothing is stale: what changes during a read is stale again and is read once more. */
  async #renewAll(): Promise<void> {
    for (let waitMs: number = retryMs.first; this.#stale.size > 0 && !this.#closing.signal.aborted; ) {
      const batch = [...this.#stale].slice(0, batchSize);
      for (const id of batch) this.#stale.delete(id);
      try {
        this.#swap(batch, await this.#loader.loadAll(batch));
        waitMs = retryMs.first;
      } catch (error) {
        for (const id of batch) this.#stale.add(id);
        this.#log.warn({ err: error, organizations: batch.length }, 'changed organizations cannot be read yet');
        await sleep(waitMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => undefined);
        waitMs = Math.min(waitMs * 2, retryMs.longest);
      }
    }
  }

  #swap(asked: readonly OrgId[], loaded: readonly OrganizationSnapshot[]): void {
    const byId = new Map(loaded.map((snapshot) => [snapshot.id, snapshot]));
    for (const id of asked) {
      const snapshot = byId.get(id);
      if (!snapshot) this.#snapshots.delete(id);
      else if (this.#snapshots.has(id)) this.#keep(snapshot);
      for (const listener of this.#listeners) listener(id);
    }
  }

  #keep(snapshot: OrganizationSnapshot): void {
    const held = this.#snapshots.peek(snapshot.id);
    if (held && held.version > snapshot.version) return;
    this.#snapshots.set(snapshot.id, snapshot);
    // A slug goes before an external id of the same text.
    if (snapshot.externalId !== undefined && !this.#isSlug(snapshot.externalId)) {
      this.#ids.set(snapshot.externalId, snapshot.id);
    }
    this.#ids.set(snapshot.slug, snapshot.id);
  }

  #isSlug(name: string): boolean {
    const id = this.#ids.get(name);
    return id !== undefined && this.#snapshots.peek(id)?.slug === name;
  }

  #forgetNames(gone: OrganizationSnapshot): void {
    for (const name of [gone.slug, gone.externalId]) {
      if (name !== undefined && this.#ids.get(name) === gone.id) this.#ids.delete(name);
    }
  }
}
