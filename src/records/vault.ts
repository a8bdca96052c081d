/**
 * Envelope encryption of fields. Every organization has its own data keys (DEK), wrapped by a key-management service;
 * a sealed text is bound to its organization, table, column and row, so that a copy in another place does not open.
 *
 * `gw1.<dekId>.<base64url(iv 12 | ciphertext | tag 16)>`, AES-256-GCM (NIST SP 800-38D: random 96-bit IVs are good for
 * 2^32 texts per key).
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type OrgId, uuidv7 } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';

const keyLifeMs = 5 * 60_000;
const ivBytes = 12;
const tagBytes = 16;
const legacyPrefix = 's0.';
const sealedForm = /^gw1\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Za-z0-9_-]{38,})$/;

/** Where a sealed text lives: it opens nowhere else. */
export interface Place {
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

export interface DataKey {
  /** UUIDv7. */
  readonly dekId: string;
  readonly org: OrgId;
  readonly kekId: string;
  readonly wrapped: string;
  /** At most one of an organization is active: it seals; the others only open. */
  readonly state: 'active' | 'retired';
}

export interface DataKeyStore {
  listDataKeys(org: OrgId): Promise<readonly DataKey[]>;
  /**
   * In one transaction: retires `replaces` and inserts `key` as the active one. False, and nothing written, if the active
   * key is no longer `replaces` (undefined: there is none yet), i.e. another replica came first.
   */
  insertDataKey(key: DataKey, replaces: string | undefined): Promise<boolean>;
  /** After a change of the key-encryption key. */
  updateDataKey(
    org: OrgId,
    dekId: string,
    wrapping: { readonly kekId: string; readonly wrapped: string },
  ): Promise<void>;
}

/** What the vault needs of the key-management port (adapters/kms). */
export interface KeyWrapper {
  readonly kekId: string;
  wrap(dek: Buffer, context: { org: OrgId; dekId: string }): Promise<{ kekId: string; wrapped: string }>;
  unwrap(key: { kekId: string; wrapped: string }, context: { org: OrgId; dekId: string }): Promise<Buffer>;
}

export interface Vault {
  /** Throws `credential_unavailable`. */
  seal(org: OrgId, place: Place, plain: string): Promise<string>;
  /** Throws `credential_unavailable` for whatever reason: the reason is its cause, for the log only. */
  open(org: OrgId, place: Place, sealed: string): Promise<Secret>;
  /** True if the text is best sealed anew when next at hand: of an older format or a retired key (known after `open`). */
  needsReseal(sealed: string): boolean;
  /** A new data key seals from now on; old texts still open. Other replicas follow within 5 minutes. */
  rotate(org: OrgId): Promise<void>;
  /** Wraps the organization's data keys under the current key-encryption key; returns how many were changed. */
  rewrap(org: OrgId): Promise<number>;
  /** Drops the unwrapped keys of an organization from memory (its keys were removed: crypto-shredding). */
  forget(org: OrgId): void;
}

export interface VaultOptions {
  readonly kms: KeyWrapper;
  readonly store: DataKeyStore;
  readonly clock: Clock;
  /** Opens what follows `s0.`: ciphertexts of the system that came before. */
  readonly openLegacy?: (ciphertext: string) => Promise<string> | string;
}

export function openVault(options: VaultOptions): Vault {
  const ring = openKeyRing(options);
  return {
    seal: (org, place, plain) =>
      orUnavailable(async () => {
        const { dekId, key } = await ring.getActive(org);
        const iv = randomBytes(ivBytes);
        const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
        cipher.setAAD(additionalData(dekId, org, place));
        const bytes = Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
        return `gw1.${dekId}.${bytes.toString('base64url')}`;
      }),
    open: (org, place, sealed) =>
      orUnavailable(async () => {
        if (sealed.startsWith(legacyPrefix)) return openLegacy(options, sealed);
        const [, dekId, text] = sealedForm.exec(sealed) ?? [];
        if (!dekId || !text) throw new Error('The sealed text has no known format');
        const { key } = await ring.get(org, dekId);
        const bytes = Buffer.from(text, 'base64url');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
        decipher.setAAD(additionalData(dekId, org, place));
        decipher.setAuthTag(bytes.subarray(-tagBytes));
        const plain = Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]);
        const secret = new Secret(plain.toString('utf8'));
        plain.fill(0);
        return secret;
      }),
    needsReseal: (sealed) => {
      const dekId = sealedForm.exec(sealed)?.[1];
      return dekId === undefined || ring.isRetired(dekId);
    },
    rotate: (org) => orUnavailable(() => ring.rotate(org)),
    rewrap: (org) => orUnavailable(() => rewrap(options, org)),
    forget: (org) => ring.forget(org),
  };
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new GatehouseError('credential_unavailable', { cause });
  }
}

async function openLegacy(options: VaultOptions, sealed: string): Promise<Secret> {
  if (!options.openLegacy) throw new Error('No opener of legacy ciphertexts is configured');
  return new Secret(await options.openLegacy(sealed.slice(legacyPrefix.length)));
}

/** Canonical JSON (keys sorted), hence injective: no two places share their additional data. */
function additionalData(dekId: string, org: OrgId, { table, column, rowId }: Place): Buffer {
  return Buffer.from(JSON.stringify({ column, dekId, orgId: org, rowId, table, v: 1 }));
}

async function rewrap({ kms, store }: VaultOptions, org: OrgId): Promise<number> {
  const stale = (await store.listDataKeys(org)).filter((key) => key.kekId !== kms.kekId);
  for (const key of stale) {
    const dek = await kms.unwrap(key, { org, dekId: key.dekId });
    const { kekId, wrapped } = await kms.wrap(dek, { org, dekId: key.dekId });
    dek.fill(0);
    await store.updateDataKey(org, key.dekId, { kekId, wrapped });
  }
  return stale.length;
}

interface RingKey {
  readonly org: OrgId;
  readonly dekId: string;
  readonly key: KeyObject;
}

/** The unwrapped keys in memory, held by OpenSSL rather than in a buffer of ours, for at most 5 minutes. */
function openKeyRing({ kms, store, clock }: VaultOptions) {
  const perf = { now: () => clock.monotonic() };
  const keys = new LRUCache<string, RingKey>({ max: 20_000, ttl: keyLifeMs, ttlResolution: 0, perf });
  const active = new LRUCache<OrgId, string>({ max: 20_000, ttl: keyLifeMs, ttlResolution: 0, perf });
  const retired = new LRUCache<string, true>({ max: 100_000 });
  const flights = new Map<string, Promise<RingKey>>();

  const unwrap = async (row: DataKey): Promise<RingKey> => {
    const dek = await kms.unwrap(row, { org: row.org, dekId: row.dekId });
    return hold(row.org, row.dekId, dek);
  };
  const hold = (org: OrgId, dekId: string, dek: Buffer): RingKey => {
    const entry = { org, dekId, key: createSecretKey(dek) };
    dek.fill(0);
    keys.set(dekId, entry);
    return entry;
  };
  const list = async (org: OrgId): Promise<readonly DataKey[]> => {
    const rows = await store.listDataKeys(org);
    for (const row of rows) {
      if (row.state === 'active') active.set(org, row.dekId);
      else retired.set(row.dekId, true);
    }
    return rows;
  };
  const insert = async (org: OrgId, replaces: string | undefined): Promise<RingKey | undefined> => {
    const dekId = uuidv7(clock.now());
    const dek = randomBytes(32);
    const wrapping = await kms.wrap(dek, { org, dekId });
    if (!(await store.insertDataKey({ dekId, org, state: 'active', ...wrapping }, replaces))) return undefined;
    if (replaces) retired.set(replaces, true);
    active.set(org, dekId);
    return hold(org, dekId, dek);
  };
  const loadActive = async (org: OrgId): Promise<RingKey> => {
    const row = (await list(org)).find((key) => key.state === 'active');
    const entry = row ? (heldKey(org, row.dekId) ?? (await unwrap(row))) : await insert(org, undefined);
    if (entry) return entry;
    const winner = (await list(org)).find((key) => key.state === 'active');
    if (!winner) throw new Error('The organization has no active data key');
    return unwrap(winner);
  };
  const load = async (org: OrgId, dekId: string): Promise<RingKey> => {
    const row = (await list(org)).find((key) => key.dekId === dekId);
    if (!row) throw new Error(`Data key ${dekId} does not exist in this organization`);
    return unwrap(row);
  };
  const heldKey = (org: OrgId, dekId: string): RingKey | undefined => {
    const entry = keys.get(dekId);
    return entry?.org === org ? entry : undefined;
  };
  const once = (flight: string, work: () => Promise<RingKey>): Promise<RingKey> => {
    const running = flights.get(flight) ?? work().finally(() => flights.delete(flight));
    flights.set(flight, running);
    return running;
  };

  return {
    async get(org: OrgId, dekId: string): Promise<RingKey> {
      return heldKey(org, dekId) ?? once(`${org} ${dekId}`, () => load(org, dekId));
    },
    async getActive(org: OrgId): Promise<RingKey> {
      const dekId = active.get(org);
      return (dekId && heldKey(org, dekId)) || once(`${org} active`, () => loadActive(org));
    },
    async rotate(org: OrgId): Promise<void> {
      const current = (await list(org)).find((key) => key.state === 'active');
      await insert(org, current?.dekId);
    },
    isRetired: (dekId: string): boolean => retired.has(dekId),
    forget(org: OrgId): void {
      active.delete(org);
      for (const [dekId, entry] of keys.entries()) if (entry.org === org) keys.delete(dekId);
    },
  };
}
