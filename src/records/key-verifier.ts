/** Who an API key is: in memory for keys seen before, live against revocation through the change feed. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { KeyId } from '#core/ids.ts';
import { type ApiKeyPrincipal, principalKey } from '#core/principal.ts';
import type { Change, ChangeFeed } from '#db/change-feed.ts';
import { type ApiKeys, parseApiKey, parseImportedKey } from './api-key.ts';
import type { KeyRow } from './keys.ts';

const refusedLifeMs = 30_000;
const touchEveryMs = 60_000;
const flushEveryMs = 10_000;

/** The `issuer` half of an API key's principal key; no identity provider can have it. */
export const apiKeyIssuer = 'gatehouse:api-key';

export interface KeyVerifierOptions {
  readonly keys: Pick<ApiKeys, 'check'> & Partial<Pick<ApiKeys, 'renewed'>>;
  /** Stores another digest of a key: the one it has is of a root secret of the past. A failure is ignored. */
  readonly renew?: (id: KeyId, digest: Uint8Array) => Promise<void>;
  /** One statement by primary key, across organizations; undefined: no such key. */
  readonly findKey: (id: KeyId) => Promise<KeyRow | undefined>;
  readonly clock: Clock;
  readonly feed: ChangeFeed;
  /** Sets `last_used_at` of these keys to `atMs`: at most every 10 s, and a key at most once a minute. A failure is ignored. */
  readonly touch: (ids: readonly KeyId[], atMs: number) => Promise<void>;
  readonly maxKeys?: number;
  readonly maxRefused?: number;
}

export interface KeyVerifier {
  /** Synchronous: the warm path. undefined: not in memory, ask `verify`. */
  find(presented: string): ApiKeyPrincipal | undefined;
  /** Throws `invalid_token` for any key that is not good, without saying why; what `findKey` throws passes through. */
  verify(presented: string): Promise<ApiKeyPrincipal>;
  /** Hands what is noted as used to `touch` now. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

interface WarmKey {
  readonly principal: ApiKeyPrincipal;
  readonly cacheKey: string;
  /** Monotonic milliseconds. */
  touchedAt: number;
}

export function openKeyVerifier(options: KeyVerifierOptions): KeyVerifier {
  return new WarmKeys(options);
}

class WarmKeys implements KeyVerifier {
  readonly #options: KeyVerifierOptions;
  readonly #warm: LRUCache<string, WarmKey>;
  readonly #byId = new Map<string, WarmKey>();
  /** Of service accounts. */
  readonly #byAccount = new Map<string, Set<KeyId>>();
  readonly #refused: LRUCache<string, true>;
  readonly #flights = new Map<string, Promise<ApiKeyPrincipal | undefined>>();
  readonly #used = new Set<KeyId>();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;
  #changes = 0;

  constructor(options: KeyVerifierOptions) {
    const { clock, feed, maxKeys = 50_000, maxRefused = 20_000 } = options;
    this.#options = options;
    this.#warm = new LRUCache({ max: maxKeys, dispose: (entry) => this.#forget(entry) });
    const perf = { now: () => clock.monotonic() };
    this.#refused = new LRUCache({ max: maxRefused, ttl: refusedLifeMs, ttlResolution: 0, perf });
    this.#unsubscribe = feed.subscribe((change) => this.#hear(change));
    this.#timer = setInterval(() => this.flush(), flushEveryMs).unref();
  }

  find(presented: string): ApiKeyPrincipal | undefined {
    return this.#find(cacheKeyOf(presented));
  }

  async verify(presented: string): Promise<ApiKeyPrincipal> {
    const cacheKey = cacheKeyOf(presented);
    const known = this.#find(cacheKey);
    if (known) return known;
    if (this.#refused.has(cacheKey)) throw new GatehouseError('invalid_token');
    const flight =
      this.#flights.get(cacheKey) ?? this.#load(presented, cacheKey).finally(() => this.#flights.delete(cacheKey));
    this.#flights.set(cacheKey, flight);
    const principal = await flight;
    if (!principal) throw new GatehouseError('invalid_token');
    return principal;
  }

  async flush(): Promise<void> {
    if (this.#used.size === 0) return;
    const ids = [...this.#used];
    this.#used.clear();
    // Only a date for people to read: not worth a retry.
    await this.#options.touch(ids, this.#options.clock.now()).catch(() => undefined);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe();
    await this.flush();
    this.#warm.clear();
  }

  #hear(change: Change): void {
    if (change.kind !== 'key' && change.kind !== 'everything' && change.kind !== 'user') return;
    this.#changes += 1;
    this.#refused.clear();
    if (change.kind === 'everything') {
      this.#warm.clear();
      return;
    }
    const ids = change.kind === 'user' ? (this.#byAccount.get(change.id) ?? []) : [change.id];
    for (const id of [...ids]) {
      const entry = this.#byId.get(id);
      if (entry) this.#warm.delete(entry.cacheKey);
    }
  }

  #find(cacheKey: string): ApiKeyPrincipal | undefined {
    const entry = this.#warm.get(cacheKey);
    if (!entry) return undefined;
    const { expiresAt } = entry.principal;
    if (expiresAt === undefined || expiresAt > this.#options.clock.now()) return this.#note(entry);
    this.#warm.delete(cacheKey);
    return undefined;
  }

  #note(entry: WarmKey): ApiKeyPrincipal {
    const nowMs = this.#options.clock.monotonic();
    if (nowMs - entry.touchedAt >= touchEveryMs) {
      entry.touchedAt = nowMs;
      this.#used.add(entry.principal.keyId);
    }
    return entry.principal;
  }

  async #load(presented: string, cacheKey: string): Promise<ApiKeyPrincipal | undefined> {
    const parsed = parseApiKey(presented) ?? parseImportedKey(presented);
    if (!parsed) return undefined;
    const { keys, findKey, clock } = this.#options;
    const before = this.#changes;
    const row = await findKey(parsed.id);
    const fits = keys.check(parsed.secret, row?.digest);
    const principal = row && fits && isLive(row, clock.now()) ? principalOf(row) : undefined;
    const renewed = principal && row && keys.renewed?.(parsed.secret, row.digest);
    if (renewed) this.#options.renew?.(row.id, renewed).catch(() => undefined);
    // A change that was announced while the row was being read may be newer than the row: keep nothing.
    if (this.#changes !== before) return principal;
    if (!principal) this.#refused.set(cacheKey, true);
    else this.#remember({ principal, cacheKey, touchedAt: Number.NEGATIVE_INFINITY });
    return principal;
  }

  #remember(entry: WarmKey): void {
    this.#warm.set(entry.cacheKey, entry);
    const { keyId, userId } = entry.principal;
    this.#byId.set(keyId, entry);
    if (userId !== undefined) this.#byAccount.set(userId, (this.#byAccount.get(userId) ?? new Set()).add(keyId));
    this.#note(entry);
  }

  #forget({ principal: { keyId, userId } }: WarmKey): void {
    this.#byId.delete(keyId);
    if (userId === undefined) return;
    const keys = this.#byAccount.get(userId);
    keys?.delete(keyId);
    if (keys?.size === 0) this.#byAccount.delete(userId);
  }
}

/** The whole key, so that a right id with a wrong secret never meets a warm entry; hashed, so that no memory dump lists keys. */
const cacheKeyOf = (presented: string): string => hash('sha256', presented, 'base64url');

const isLive = (row: KeyRow, nowMs: number): boolean =>
  row.revokedAt === undefined && (row.expiresAt === undefined || row.expiresAt > nowMs);

function principalOf(row: KeyRow): ApiKeyPrincipal {
  return {
    kind: 'api-key',
    key: principalKey(apiKeyIssuer, row.id),
    keyId: row.id,
    name: row.name,
    org: row.org,
    roles: row.roles,
    ...(row.endpoints && { endpoints: row.endpoints }),
    ...(row.expiresAt !== undefined && { expiresAt: row.expiresAt }),
    ...(row.userId !== undefined && { userId: row.userId }),
  };
}
