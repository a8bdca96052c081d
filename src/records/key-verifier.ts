/** Who an API key is: in memory for keys seen before, live against revocation through the change feed. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { KeyId, OrgId } from '#core/ids.ts';
import { type ApiKeyPrincipal, principalKey } from '#core/principal.ts';
import type { Change, ChangeFeed } from '#db/change-feed.ts';
import { type ApiKeys, parseApiKey } from './api-key.ts';

const refusedLifeMs = 30_000;
const touchEveryMs = 60_000;
const flushEveryMs = 10_000;

/** The `issuer` half of an API key's principal key; no identity provider can have it. */
export const apiKeyIssuer = 'gatehouse:api-key';

export interface KeyRow {
  readonly id: KeyId;
  readonly org: OrgId;
  readonly name: string;
  readonly digest: Uint8Array;
  readonly roles: readonly string[];
  readonly endpoints?: readonly string[] | undefined;
  /** Unix milliseconds. */
  readonly expiresAt?: number | undefined;
  readonly revokedAt?: number | undefined;
}

export interface KeyVerifierOptions {
  readonly keys: Pick<ApiKeys, 'check'>;
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
  const { keys, findKey, clock, feed, touch, maxKeys = 50_000, maxRefused = 20_000 } = options;
  const perf = { now: () => clock.monotonic() };
  const byId = new Map<string, WarmKey>();
  const warm = new LRUCache<string, WarmKey>({
    max: maxKeys,
    dispose: (entry) => byId.delete(entry.principal.keyId),
  });
  const refused = new LRUCache<string, true>({ max: maxRefused, ttl: refusedLifeMs, ttlResolution: 0, perf });
  const flights = new Map<string, Promise<ApiKeyPrincipal | undefined>>();
  const used = new Set<KeyId>();
  let changes = 0;

  const unsubscribe = feed.subscribe((change) => {
    if (change.kind !== 'key' && change.kind !== 'everything') return;
    changes += 1;
    refused.clear();
    drop(change);
  });
  const drop = (change: Change): void => {
    if (change.kind === 'everything') warm.clear();
    const entry = change.kind === 'key' ? byId.get(change.id) : undefined;
    if (entry) warm.delete(entry.cacheKey);
  };

  const note = (entry: WarmKey): ApiKeyPrincipal => {
    const nowMs = clock.monotonic();
    if (nowMs - entry.touchedAt >= touchEveryMs) {
      entry.touchedAt = nowMs;
      used.add(entry.principal.keyId);
    }
    return entry.principal;
  };
  const find = (cacheKey: string): ApiKeyPrincipal | undefined => {
    const entry = warm.get(cacheKey);
    if (!entry) return undefined;
    const { expiresAt } = entry.principal;
    if (expiresAt === undefined || expiresAt > clock.now()) return note(entry);
    warm.delete(cacheKey);
    return undefined;
  };
  const load = async (presented: string, cacheKey: string): Promise<ApiKeyPrincipal | undefined> => {
    const parsed = parseApiKey(presented);
    if (!parsed) return undefined;
    const before = changes;
    const row = await findKey(parsed.id);
    const fits = keys.check(parsed.secret, row?.digest);
    const principal = row && fits && isLive(row, clock.now()) ? principalOf(row) : undefined;
    // A change that was announced while the row was being read may be newer than the row: keep nothing.
    if (changes !== before) return principal;
    if (!principal) refused.set(cacheKey, true);
    else remember({ principal, cacheKey, touchedAt: Number.NEGATIVE_INFINITY });
    return principal;
  };
  const remember = (entry: WarmKey): void => {
    warm.set(entry.cacheKey, entry);
    byId.set(entry.principal.keyId, entry);
    note(entry);
  };
  const flush = async (): Promise<void> => {
    if (used.size === 0) return;
    const ids = [...used];
    used.clear();
    await touch(ids, clock.now()).catch(() => undefined);
  };
  const timer = setInterval(flush, flushEveryMs).unref();

  return {
    find: (presented) => find(cacheKeyOf(presented)),
    async verify(presented) {
      const cacheKey = cacheKeyOf(presented);
      const known = find(cacheKey);
      if (known) return known;
      if (refused.has(cacheKey)) throw new GatehouseError('invalid_token');
      const flight = flights.get(cacheKey) ?? load(presented, cacheKey).finally(() => flights.delete(cacheKey));
      flights.set(cacheKey, flight);
      const principal = await flight;
      if (!principal) throw new GatehouseError('invalid_token');
      return principal;
    },
    flush,
    async close() {
      clearInterval(timer);
      unsubscribe();
      await flush();
      warm.clear();
    },
  };
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
  };
}
