/** Proof of possession (RFC 9449 4.3 and 7.1): whoever presents a bound token signs each request with the key it is bound to. */
import { hash } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';

export const dpopAlgorithms = ['ES256', 'RS256', 'PS256', 'EdDSA', 'Ed25519'] as const;

/** Of the request that the proof came with. */
export interface DpopRequest {
  readonly method: string;
  /** Public URL without query. */
  readonly url: string;
}

export interface DpopChecker {
  /** Rejects `invalid_dpop_proof`, `rate_limited`. `jkt`: what the token is bound to; `holder`: whose it is. */
  check(
    presented: { readonly proof: string | undefined; readonly token: string },
    bound: { readonly jkt: string; readonly holder: string },
    request: DpopRequest,
  ): Promise<void>;
}

/** Clocks of clients are as far off as this; a proof is remembered for both sides of it. */
const MAX_AGE_SECONDS = 300;
const MAX_PROOF_LENGTH = 8192;
/** Proofs remembered; of one caller, lest they push out what others used: more than anybody needs in the time. */
const usual = { inAll: 400_000, ofOne: 20_000 } as const;

export function openDpopChecker(
  clock: Clock,
  { inAll, ofOne }: { readonly inAll: number; readonly ofOne: number } = usual,
): DpopChecker {
  const perf = { now: () => clock.monotonic() };
  /** Holder → how many of theirs are remembered. */
  const counts = new Map<string, number>();
  /** Proof → its holder. */
  const seen = new LRUCache<string, string>({
    max: inAll,
    ttl: 2 * MAX_AGE_SECONDS * 1000,
    ttlResolution: 0,
    perf,
    dispose(holder) {
      const left = (counts.get(holder) ?? 1) - 1;
      if (left > 0) counts.set(holder, left);
      else counts.delete(holder);
    },
  });

  function remember(id: string, holder: string): void {
    if (seen.has(id)) refuse('jti, seen before');
    if ((counts.get(holder) ?? 0) >= ofOne) seen.purgeStale();
    const count = counts.get(holder) ?? 0;
    if (count >= ofOne) throw new GatehouseError('rate_limited', { retryAfterSeconds: 60 });
    counts.set(holder, count + 1);
    seen.set(id, holder);
  }

  async function check(proof: string, token: string, { jkt, holder, request }: Checking) {
    if (proof.length > MAX_PROOF_LENGTH) throw new errors.JWTInvalid('the proof is too long');
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      typ: 'dpop+jwt',
      algorithms: [...dpopAlgorithms],
      requiredClaims: ['iat', 'jti', 'htm', 'htu', 'ath'],
      currentDate: new Date(clock.now()),
      clockTolerance: MAX_AGE_SECONDS,
    });
    const { iat, jti, htm, htu, ath } = payload;
    if (typeof iat !== 'number' || Math.abs(clock.now() / 1000 - iat) > MAX_AGE_SECONDS) refuse('iat');
    if (typeof jti !== 'string' || jti === '' || jti.length > 256) refuse('jti');
    if (htm !== request.method) refuse('htm');
    if (typeof htu !== 'string' || !URL.canParse(htu) || withoutQuery(htu) !== withoutQuery(request.url)) refuse('htu');
    if (ath !== hash('sha256', token, 'base64url')) refuse('ath');
    if (!protectedHeader.jwk || (await calculateJwkThumbprint(protectedHeader.jwk)) !== jkt) refuse('the key');
    remember(hash('sha256', `${jkt} ${jti}`, 'base64'), holder);
  }

  return {
    async check({ proof, token }, bound, request) {
      if (proof === undefined) throw new GatehouseError('invalid_dpop_proof');
      try {
        await check(proof, token, { ...bound, request });
      } catch (cause) {
        if (cause instanceof GatehouseError) throw cause;
        throw new GatehouseError('invalid_dpop_proof', { cause });
      }
    },
  };
}

interface Checking {
  readonly jkt: string;
  readonly holder: string;
  readonly request: DpopRequest;
}

function refuse(what: string): never {
  throw new errors.JWTInvalid(`not accepted: ${what}`);
}

/** RFC 9449 4.3: compared after normalization, query and fragment left out. */
function withoutQuery(url: string): string {
  const parsed = new URL(url);
  return parsed.origin + parsed.pathname;
}
