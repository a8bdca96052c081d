import {
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  type JWTVerifyResult,
  jwtVerify,
} from 'jose';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';

/** Everything a token must be. Nothing here has a "don't care" that is reached by leaving something out. */
export interface TokenRules {
  /** Exact; empty: the token must not carry `iss`. */
  readonly issuers: readonly string[];
  /** At least one of them in `aud`. `unchecked` only where the key itself is ours alone. */
  readonly audiences: readonly string[] | 'unchecked';
  readonly algorithms: readonly string[];
  /** Header `typ` values, lower case without `application/`; absent counts as `jwt`. */
  readonly types: readonly string[];
  /** The first of these that is there names the subject. */
  readonly subjectClaims: readonly string[];
  readonly requiredClaims: readonly string[];
  /** From `iat` to `exp`; undefined: the issuer alone decides. */
  readonly maxLifetimeSeconds: number | undefined;
}

export interface CheckedToken {
  readonly subject: string;
  readonly issuer: string | undefined;
  /** Unix milliseconds. */
  readonly expiresAt: number;
  readonly claims: JWTPayload;
}

export const asymmetricAlgorithms = ['RS256', 'ES256', 'PS256', 'EdDSA'] as const;
/** RFC 9068 2.1 and what most identity providers send instead. */
export const accessTokenTypes: readonly string[] = ['at+jwt', 'jwt'];

/** For tokens signed by an issuer's published keys (SECURITY B1, B2, B7). */
export const strictRules = {
  algorithms: asymmetricAlgorithms,
  types: accessTokenTypes,
  subjectClaims: ['sub'],
  requiredClaims: ['exp', 'iat', 'sub'],
  maxLifetimeSeconds: 24 * 3600,
} as const satisfies Partial<TokenRules>;

const maxTokenLength = 16 * 1024;
const maxKidLength = 256;
const skewSeconds = 60;
/** Keys tried for a token that names none. */
const maxTries = 4;

/**
 * Verifies an access token against `rules`. Throws GatehouseError `invalid_token` for everything wrong with the token,
 * `identity_unavailable` where the keys to judge by can't be had.
 */
export async function verifyToken(
  token: string,
  key: JWTVerifyGetKey | Uint8Array,
  { rules, clock }: { readonly rules: TokenRules; readonly clock: Clock },
): Promise<CheckedToken> {
  return verifyWith(token, key, { rules, clock, checkPurpose: checkType });
}

/**
 * Verifies an ID token that was fetched from the token endpoint: same rules, same errors, another purpose. The nonce is
 * for whoever asked for it to compare.
 */
export async function verifyIdToken(
  token: string,
  key: JWTVerifyGetKey | Uint8Array,
  { rules, clock }: { readonly rules: TokenRules; readonly clock: Clock },
): Promise<CheckedToken> {
  return verifyWith(token, key, { rules, clock, checkPurpose: checkIdToken });
}

interface Checks {
  readonly rules: TokenRules;
  readonly clock: Clock;
  readonly checkPurpose: (typ: unknown, payload: JWTPayload, rules: TokenRules) => void;
}

async function verifyWith(
  token: string,
  key: JWTVerifyGetKey | Uint8Array,
  { rules, clock, checkPurpose }: Checks,
): Promise<CheckedToken> {
  try {
    if (token.length > maxTokenLength) throw new errors.JWTInvalid('the token is too long');
    const { payload, protectedHeader } = await verifySignature(token, key, verifyOptions(rules, clock));
    checkPurpose(protectedHeader.typ, payload, rules);
    checkTimes(payload, rules, clock);
    if (rules.issuers.length === 0 && payload.iss !== undefined) throw new errors.JWTInvalid('unexpected issuer');
    const { exp = 0 } = payload;
    return { subject: subjectOf(payload, rules), issuer: payload.iss, expiresAt: exp * 1000, claims: payload };
  } catch (cause) {
    if (cause instanceof GatehouseError) throw cause;
    const judged = cause instanceof errors.JOSEError;
    throw new GatehouseError(judged ? 'invalid_token' : 'identity_unavailable', { cause });
  }
}

function verifyOptions(rules: TokenRules, clock: Clock): JWTVerifyOptions {
  return {
    algorithms: [...rules.algorithms],
    ...(rules.issuers.length > 0 && { issuer: [...rules.issuers] }),
    ...(rules.audiences !== 'unchecked' && { audience: [...rules.audiences] }),
    requiredClaims: [...rules.requiredClaims],
    clockTolerance: skewSeconds,
    currentDate: new Date(clock.now()),
  };
}

async function verifySignature(
  token: string,
  key: JWTVerifyGetKey | Uint8Array,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  if (key instanceof Uint8Array) return jwtVerify(token, key, options);
  const find: JWTVerifyGetKey = (header, jws) => {
    const { kid } = header;
    if (kid !== undefined && (typeof kid !== 'string' || kid.length > maxKidLength)) {
      throw new errors.JWSInvalid('the key id is too long');
    }
    return key(header, jws);
  };
  try {
    return await jwtVerify(token, find, options);
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    return verifyWithAny(token, error, options);
  }
}

/** A token without `kid` under an issuer of several keys: each is tried. */
async function verifyWithAny(
  token: string,
  candidates: errors.JWKSMultipleMatchingKeys,
  options: JWTVerifyOptions,
): Promise<JWTVerifyResult> {
  let tries = 0;
  for await (const candidate of candidates) {
    if (++tries > maxTries) break;
    try {
      return await jwtVerify(token, candidate, options);
    } catch (error) {
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) throw error;
    }
  }
  throw new errors.JWSSignatureVerificationFailed();
}

/** An ID token says who signed in, to the client; it is no permission to call anybody (SECURITY B8). */
function checkType(typ: unknown, payload: JWTPayload, rules: TokenRules): void {
  const type =
    typ === undefined ? 'jwt' : typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : '';
  if (!rules.types.includes(type)) throw new errors.JWTInvalid('unexpected "typ"');
  if (type !== 'at+jwt' && isForeignPurpose(payload)) throw new errors.JWTInvalid('no access token');
}

/** The other way round: an access token, or a logout token, is nobody's sign-in. */
function checkIdToken(typ: unknown, payload: JWTPayload): void {
  const type =
    typ === undefined
      ? 'jwt'
      : String(typ)
          .toLowerCase()
          .replace(/^application\//, '');
  if (type !== 'jwt' && type !== 'id_token' && type !== 'id_token+jwt') throw new errors.JWTInvalid('unexpected "typ"');
  const { token_use: use, typ: kind } = payload;
  if ('events' in payload || (use !== undefined && use !== 'id') || (kind !== undefined && kind !== 'ID')) {
    throw new errors.JWTInvalid('no ID token');
  }
}

function isForeignPurpose(payload: JWTPayload): boolean {
  // OpenID Connect Core 3.1.3.6, 3.3.2.11; back-channel logout 2.4; Amazon Cognito; Keycloak.
  if ('at_hash' in payload || 'c_hash' in payload || 'events' in payload) return true;
  if (payload.token_use !== undefined && payload.token_use !== 'access') return true;
  const { typ } = payload;
  if (typ === 'ID' || typ === 'Refresh' || typ === 'Offline' || typ === 'Logout') return true;
  // Some issuers repeat the nonce in access tokens, but those have a scope.
  return 'nonce' in payload && !('scope' in payload || 'scp' in payload || typ === 'Bearer');
}

function checkTimes({ iat, exp }: JWTPayload, rules: TokenRules, clock: Clock): void {
  const now = clock.now() / 1000;
  if (exp === undefined) throw new errors.JWTInvalid('no expiry');
  if (iat !== undefined && (typeof iat !== 'number' || iat > now + skewSeconds)) {
    throw new errors.JWTInvalid('issued in the future');
  }
  const lifetime = exp - (iat ?? now);
  if (rules.maxLifetimeSeconds !== undefined && lifetime > rules.maxLifetimeSeconds) {
    throw new errors.JWTInvalid('lives too long');
  }
}

function subjectOf(payload: JWTPayload, rules: TokenRules): string {
  const name = rules.subjectClaims.find((claim) => payload[claim] !== undefined);
  const subject = name === undefined ? undefined : payload[name];
  if (typeof subject !== 'string' || subject === '' || subject.length > 512) throw new errors.JWTInvalid('no subject');
  return subject;
}
