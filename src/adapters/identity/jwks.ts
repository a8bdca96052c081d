import { createLocalJWKSet, errors, type JWTVerifyGetKey, type LocalJWKSet } from 'jose';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { discard, readJson } from '#http/egress-body.ts';
import type { IdentityDeps } from './identity.ts';
import { RemoteDocument } from './remote-document.ts';

/** SECURITY 3.3. */
export const maxJwksBytes = 256 * 1024;
const maxKeys = 100;
const refreshMs = 5 * 60_000;
/** Keys that can't be renewed are used this much longer: an outage of the key server signs nobody out (R19). */
const staleMs = 6 * 3_600_000;
/** Between two fetches that an unknown `kid` set off: whoever makes up kids must not make us hammer the issuer. */
const unknownKidMs = 30_000;
const timeoutMs = 3000;

const jwksSchema = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(maxKeys) });

export interface RemoteKeysOptions extends Pick<IdentityDeps, 'fetch' | 'clock' | 'log'> {
  /** Where the key set is; a function where that has to be discovered first. */
  readonly url: string | (() => Promise<string>);
  /** 0 to 1: spreads the refreshes of many replicas. */
  readonly random?: () => number;
}

/** The public keys of one issuer, as jose asks for them. */
export interface RemoteKeys {
  /** Throws jose's errors for a key that isn't there, GatehouseError `identity_unavailable` where there is no telling. */
  readonly find: JWTVerifyGetKey;
}

export function openRemoteKeys(options: RemoteKeysOptions): RemoteKeys {
  const { clock, random = Math.random } = options;
  const refreshAfterMs = refreshMs * (0.8 + 0.2 * random());
  const keys = new RemoteDocument<LocalJWKSet>({
    what: typeof options.url === 'string' ? options.url : 'key set',
    load: () => fetchKeys(options),
    refreshMs: () => refreshAfterMs,
    staleMs: () => staleMs,
    retryMs: { held: unknownKidMs, empty: 10_000 },
    clock,
    log: options.log,
  });
  let unknownKidAt: number | undefined;
  let renewing: Promise<unknown> | undefined;

  /** One fetch per window for all unknown kids together; those that come while it runs wait for its outcome. */
  const renewForUnknownKid = async () => {
    const now = clock.monotonic();
    if (unknownKidAt === undefined || now - unknownKidAt >= unknownKidMs) {
      unknownKidAt = now;
      renewing = keys.renew();
    }
    await renewing;
  };

  return {
    async find(header, token) {
      const before = keys.held;
      const held = await keys.get();
      try {
        return await held.value(header, token);
      } catch (error) {
        // Keys that were fetched for this very token are as new as they get.
        if (!(error instanceof errors.JWKSNoMatchingKey) || held !== before) throw error;
        await renewForUnknownKid();
        const newest = keys.held ?? held;
        if (newest === held) throw error;
        return newest.value(header, token);
      }
    },
  };
}

async function fetchKeys({ url, fetch }: RemoteKeysOptions): Promise<LocalJWKSet> {
  const target = typeof url === 'string' ? url : await url();
  const signal = AbortSignal.timeout(timeoutMs);
  const response = await fetch(target, { headers: { accept: 'application/json' }, redirect: 'manual', signal });
  if (response.status !== 200) {
    await discard(response);
    throw new Error(`${target} answered ${response.status}`);
  }
  const { keys } = jwksSchema.parse(await readJson(response, maxJwksBytes));
  // A symmetric key in a public set is no key; an empty set is a fault, and must not displace keys that work.
  const usable = keys.filter(({ kty }) => kty !== 'oct');
  if (usable.length === 0)
    throw new GatehouseError('identity_unavailable', { cause: new Error(`${target} has no keys`) });
  return createLocalJWKSet({ keys: usable });
}
