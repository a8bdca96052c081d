/** Room 2: who calls? A verified token or API key, from memory where it was seen before. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { IdentityProvider, VerifiedToken } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type ApiKeyPrincipal, type Principal, principalKey, type UserPrincipal } from '#core/principal.ts';
import type { RequestHeaders } from '#http/headers.ts';

export interface TokenVerifier {
  verify(token: string): Promise<{ readonly provider: IdentityProvider; readonly token: VerifiedToken }>;
}

export interface KeyVerifier {
  find(presented: string): ApiKeyPrincipal | undefined;
  verify(presented: string): Promise<ApiKeyPrincipal>;
}

/** A user with the identity provider that vouches: memberships are asked there. */
export interface Caller {
  readonly principal: Principal;
  readonly provider: IdentityProvider | undefined;
}

export interface Identifier {
  /** A value when the credential is in memory, else a promise. Throws or rejects `no_token`, `invalid_token`, `identity_unavailable`. */
  identify(headers: RequestHeaders): Caller | Promise<Caller>;
}

const bearer = /^bearer +([A-Za-z0-9\-._~+/]+=*) *$/i;
/** SECURITY 3.7: a verified token is believed for at most this long before it is judged anew. */
const TOKEN_TTL_MS = 60_000;

export function openIdentifier(deps: {
  readonly tokens: TokenVerifier;
  readonly keys: KeyVerifier;
  readonly clock: Clock;
}): Identifier {
  const { clock } = deps;
  const cache = new LRUCache<string, { caller: Caller; until: number }>({ max: 20_000 });

  async function verifyToken(token: string, digest: string): Promise<Caller> {
    const { provider, token: verified } = await deps.tokens.verify(token);
    const caller = { principal: userPrincipal(verified), provider };
    cache.set(digest, { caller, until: Math.min(verified.expiresAt, clock.now() + TOKEN_TTL_MS) });
    return caller;
  }

  return {
    identify(headers) {
      const presented = presentedCredential(headers);
      if (presented.startsWith('gw_')) {
        const principal = deps.keys.find(presented);
        if (principal) return { principal, provider: undefined };
        return deps.keys.verify(presented).then((found) => ({ principal: found, provider: undefined }));
      }
      const digest = hash('sha256', presented, 'base64');
      const known = cache.get(digest);
      if (known && known.until > clock.now()) return known.caller;
      return verifyToken(presented, digest);
    },
  };
}

function presentedCredential({ authorization, apiKey }: RequestHeaders): string {
  if (authorization === undefined) {
    if (apiKey !== undefined && /^[\x21-\x7e]{1,512}$/.test(apiKey))
      return apiKey.startsWith('gw_') ? apiKey : notOurs();
    throw new GatehouseError('no_token');
  }
  const token = bearer.exec(authorization)?.[1];
  if (token === undefined) throw new GatehouseError(/^bearer\b/i.test(authorization) ? 'invalid_token' : 'no_token');
  if (apiKey !== undefined)
    throw new GatehouseError('bad_request', { message: 'Send either Authorization or X-API-Key, not both' });
  return token;
}

function notOurs(): never {
  throw new GatehouseError('invalid_token');
}

function userPrincipal(token: VerifiedToken): UserPrincipal {
  return { kind: 'user', key: principalKey(token.issuer, token.subject), ...token };
}
