/** Opened credentials in memory for a minute, so that a warm call decrypts nothing and awaits nothing. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { SealedCredential } from './credentials.ts';
import type { CredentialOpener, CredentialRef } from './snapshot.ts';
import type { Vault } from './vault.ts';

const lifeMs = 60_000;

export interface CredentialOpenerOptions {
  readonly vault: Pick<Vault, 'open'>;
  /** undefined: no such credential (any more). */
  readonly findSealed: (credential: CredentialRef) => Promise<SealedCredential | undefined>;
  readonly clock: Clock;
  /** Told at most once a minute of each. */
  readonly onUnreadable?: (credential: CredentialRef) => void;
  /** How many opened credentials are kept. */
  readonly maxEntries?: number;
}

export function openCredentialOpener(options: CredentialOpenerOptions): CredentialOpener {
  const { vault, findSealed, clock, onUnreadable, maxEntries = 10_000 } = options;
  const perf = { now: () => clock.monotonic() };
  const opened = new LRUCache<string, Secret>({ max: maxEntries, ttl: lifeMs, ttlResolution: 0, perf });
  const told = new LRUCache<string, true>({ max: maxEntries, ttl: lifeMs, ttlResolution: 0, perf });
  const flights = new Map<string, Promise<Secret>>();

  const load = async (credential: CredentialRef, key: string): Promise<Secret> => {
    const row = await findSealed(credential);
    if (!row) throw new Error(`Credential ${credential.id} does not exist`);
    const secret = await vault.open(credential.org, row.place, row.sealed);
    // A caller that still holds yesterday's snapshot gets today's secret, but pools must not keep it under the old version.
    if (row.version === credential.version) opened.set(key, secret);
    return secret;
  };

  return {
    find: (credential) => opened.get(keyOf(credential)),
    async open(credential) {
      const key = keyOf(credential);
      const held = opened.get(key);
      if (held) return held;
      const running = flights.get(key) ?? load(credential, key).finally(() => flights.delete(key));
      flights.set(key, running);
      try {
        return await running;
      } catch (cause) {
        const isAway = cause instanceof GatehouseError && cause.code === 'storage_unavailable';
        if (!isAway && !told.has(key)) {
          told.set(key, true);
          onUnreadable?.(credential);
        }
        const known = cause instanceof GatehouseError && cause.code === 'credential_unavailable';
        throw known ? cause : new GatehouseError('credential_unavailable', { cause });
      }
    },
  };
}

/** Ids are UUIDs and a version is a number: joined, they stay apart. */
const keyOf = ({ org, id, version }: CredentialRef): string => `${org} ${id} ${version}`;
