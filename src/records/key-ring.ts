/** The data keys (DEK) of organizations: rows wrapped by key management, and the unwrapped ones in memory for 5 minutes. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import type { DataKey, DataKeyStore } from './data-keys.ts';

const keyLifeMs = 5 * 60_000;
const maxKeys = 20_000;

/** What the vault needs of the key-management port (adapters/kms). */
export interface KeyWrapper {
  readonly kekId: string;
  wrap(dek: Buffer, context: { org: OrgId; dekId: string }): Promise<{ kekId: string; wrapped: string }>;
  unwrap(key: { kekId: string; wrapped: string }, context: { org: OrgId; dekId: string }): Promise<Buffer>;
}

interface RingOptions {
  readonly kms: KeyWrapper;
  readonly store: DataKeyStore;
  readonly clock: Clock;
}

/** Held by OpenSSL rather than in a buffer of ours. */
interface RingKey {
  readonly org: OrgId;
  readonly dekId: string;
  readonly key: KeyObject;
}

export class KeyRing {
  readonly #options: RingOptions;
  readonly #keys: LRUCache<string, RingKey>;
  readonly #active: LRUCache<OrgId, string>;
  readonly #retired = new LRUCache<string, true>({ max: 5 * maxKeys });
  readonly #flights = new Map<string, Promise<RingKey>>();

  constructor(options: RingOptions) {
    this.#options = options;
    const life = { max: maxKeys, ttl: keyLifeMs, ttlResolution: 0, perf: { now: () => options.clock.monotonic() } };
    this.#keys = new LRUCache(life);
    this.#active = new LRUCache(life);
  }

  /** Throws if the key does not exist in this organization or cannot be unwrapped. */
  async get(org: OrgId, dekId: string): Promise<RingKey> {
    return this.#held(org, dekId) ?? this.#once(`${org} ${dekId}`, () => this.#load(org, dekId));
  }

  /** The key that seals; an organization's first one is made here. */
  async getActive(org: OrgId): Promise<RingKey> {
    const dekId = this.#active.get(org);
    const held = dekId === undefined ? undefined : this.#held(org, dekId);
    return held ?? this.#once(`${org} active`, () => this.#loadActive(org));
  }

  /** Known once a key of the organization was asked for. */
  isRetired(dekId: string): boolean {
    return this.#retired.has(dekId);
  }

  async rotate(org: OrgId): Promise<void> {
    const current = (await this.#list(org)).find(isActive);
    // Refused: another replica has just rotated, which is as good.
    await this.#insert(org, current?.dekId);
  }

  async rewrap(org: OrgId): Promise<number> {
    const { kms, store } = this.#options;
    const stale = (await store.listDataKeys(org)).filter((key) => key.kekId !== kms.kekId);
    for (const key of stale) {
      const dek = await kms.unwrap(key, { org, dekId: key.dekId });
      const wrapping = await kms.wrap(dek, { org, dekId: key.dekId });
      dek.fill(0);
      await store.updateDataKey(org, key.dekId, wrapping);
    }
    return stale.length;
  }

  forget(org: OrgId): void {
    this.#active.delete(org);
    for (const [dekId, entry] of this.#keys.entries()) if (entry.org === org) this.#keys.delete(dekId);
  }

  #held(org: OrgId, dekId: string): RingKey | undefined {
    const entry = this.#keys.get(dekId);
    return entry?.org === org ? entry : undefined;
  }

  #once(flight: string, work: () => Promise<RingKey>): Promise<RingKey> {
    const running = this.#flights.get(flight) ?? work().finally(() => this.#flights.delete(flight));
    this.#flights.set(flight, running);
    return running;
  }

  async #load(org: OrgId, dekId: string): Promise<RingKey> {
    const row = (await this.#list(org)).find((key) => key.dekId === dekId);
    if (!row) throw new Error(`Data key ${dekId} does not exist in this organization`);
    return this.#unwrap(row);
  }

  async #loadActive(org: OrgId): Promise<RingKey> {
    const row = (await this.#list(org)).find(isActive);
    if (row) return this.#held(org, row.dekId) ?? this.#unwrap(row);
    const first = await this.#insert(org, undefined);
    if (first) return first;
    const winner = (await this.#list(org)).find(isActive);
    if (!winner) throw new Error('The organization has no active data key');
    return this.#unwrap(winner);
  }

  async #list(org: OrgId): Promise<readonly DataKey[]> {
    const rows = await this.#options.store.listDataKeys(org);
    for (const row of rows) {
      if (isActive(row)) this.#active.set(org, row.dekId);
      else this.#retired.set(row.dekId, true);
    }
    return rows;
  }

  /** undefined: another replica came first. */
  async #insert(org: OrgId, replaces: string | undefined): Promise<RingKey | undefined> {
    const { kms, store, clock } = this.#options;
    const dekId = uuidv7(clock.now());
    const dek = randomBytes(32);
    const wrapping = await kms.wrap(dek, { org, dekId });
    if (!(await store.insertDataKey({ dekId, org, state: 'active', ...wrapping }, replaces))) return undefined;
    if (replaces) this.#retired.set(replaces, true);
    this.#active.set(org, dekId);
    return this.#hold(org, dekId, dek);
  }

  async #unwrap({ org, dekId, kekId, wrapped }: DataKey): Promise<RingKey> {
    return this.#hold(org, dekId, await this.#options.kms.unwrap({ kekId, wrapped }, { org, dekId }));
  }

  #hold(org: OrgId, dekId: string, dek: Buffer): RingKey {
    const entry = { org, dekId, key: createSecretKey(dek) };
    dek.fill(0);
    this.#keys.set(dekId, entry);
    return entry;
  }
}

const isActive = (key: DataKey): boolean => key.state === 'active';
