/** Room 2: who calls? A verified token or API key, from memory where it was seen before. */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { IdentityProvider, VerifiedToken } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { type ApiKeyPrincipal, type Principal, principalKey, type UserPrincipal } from '#core/principal.ts';
import type { ResourceRules } from '#core/resource.ts';
import type { Change } from '#db/change-feed.ts';
import type { RequestHeaders } from '#http/headers.ts';
import type { DirectAccounts } from '#records/direct-accounts.ts';
import { type Audience, readAudience } from './audience.ts';
import { type DpopRequest, openDpopChecker } from './dpop.ts';

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
  readonly audience?: Audience;
  /** RFC 7638 thumbprint of the key whose holder alone may present the token (RFC 9449 6.1). */
  readonly boundTo?: string | undefined;
  /** Of tokens issued here: what changes are announced by. */
  readonly tokenId?: string | undefined;
  readonly userId?: string | undefined;
  /** Where its organizations were asked for since the token was verified: good for as long as this caller is kept. */
  readonly known?: { organizations: readonly string[] | undefined };
}

type CredentialHeaders = Pick<RequestHeaders, 'authorization' | 'apiKey' | 'dpop'>;

export interface Identifier {
  /**
   * A value when the credential is in memory, else a promise. Throws or rejects `no_token`, `invalid_token`,
   * `invalid_dpop_proof`, `identity_unavailable`.
   */
  identify(headers: CredentialHeaders, request: DpopRequest): Caller | Promise<Caller>;
  /** Of a call that was let in before: its credential is judged anew, a proof of possession is not asked for twice. */
  recheck(headers: CredentialHeaders): Promise<Caller>;
  /** What a change makes doubtful is verified anew when it is next presented. */
  forget(change: Change): void;
}

const credential = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*) *$/i;
/** SECURITY 3.7: a verified token is believed for at most this long before it is judged anew. */
const TOKEN_TTL_MS = 60_000;
const MAX_TOKENS = 20_000;
/** Verified while it was changed again and again: given up. */
const MAX_TRIES = 3;

interface Kept {
  readonly caller: Caller;
  /** Unix milliseconds. */
  readonly until: number;
}

/** A verification under way, and what changed since it began: its result may be older than that. */
interface Flight {
  readonly changed: Set<string>;
  everything: boolean;
}

export interface IdentifierDeps {
  readonly tokens: TokenVerifier;
  readonly keys: KeyVerifier;
  readonly clock: Clock;
  readonly resources: ResourceRules;
  /** Of people who come with their identity provider's own tokens: a row each, made with the first one. */
  readonly accounts?: DirectAccounts;
}

export function openIdentifier(deps: IdentifierDeps): Identifier {
  const { clock } = deps;
  /** What a change names → digests of tokens that it concerns. */
  const digests = new Map<string, Set<string>>();
  const cache = new LRUCache<string, Kept>({
    max: MAX_TOKENS,
    dispose: ({ caller }, digest) => {
      for (const id of idsOf(caller)) {
        const set = digests.get(id);
        set?.delete(digest);
        if (set?.size === 0) digests.delete(id);
      }
    },
  });
  const flights = new Set<Flight>();
  const dpop = openDpopChecker(clock);

  function keep(digest: string, caller: Caller, expiresAt: number): void {
    cache.set(digest, { caller, until: Math.min(expiresAt, clock.now() + TOKEN_TTL_MS) });
    for (const id of idsOf(caller)) {
      const set = digests.get(id);
      if (set) set.add(digest);
      else digests.set(id, new Set([digest]));
    }
  }

  async function verifyToken(token: string, digest: string): Promise<Caller> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const flight: Flight = { changed: new Set(), everything: false };
      flights.add(flight);
      try {
        const { provider, token: verified } = await deps.tokens.verify(token);
        const userId = verified.userId ?? (await accountOf(provider, verified));
        const caller = { ...asCaller(provider, verified, deps.resources), userId };
        if (flight.everything || idsOf(caller).some((id) => flight.changed.has(id))) continue;
        keep(digest, caller, verified.expiresAt);
        return caller;
      } finally {
        flights.delete(flight);
      }
    }
    throw new GatehouseError('identity_unavailable');
  }

  /** Throws `invalid_token` for somebody who is deactivated here. */
  async function accountOf(provider: IdentityProvider, token: VerifiedToken): Promise<string | undefined> {
    if (!deps.accounts || provider.namesOrganizationsBy === 'id') return undefined;
    const { subject, email, emailVerified, name } = token;
    const { name: named, organization } = provider;
    const seen = { provider: named, subject, email, emailVerified, organization, name };
    const userId = await deps.accounts.ensure(seen);
    if (userId === undefined) throw new GatehouseError('invalid_token');
    return userId;
  }

  const asKey = (principal: ApiKeyPrincipal): Caller => ({ principal, provider: undefined });

  function judge({ value: presented, isKey }: Pick<Presented, 'value' | 'isKey'>): Caller | Promise<Caller> {
    if (isKey) {
      const principal = deps.keys.find(presented);
      return principal ? asKey(principal) : deps.keys.verify(presented).then(asKey);
    }
    const digest = hash('sha256', presented, 'base64');
    const known = cache.get(digest);
    if (known && known.until > clock.now()) return known.caller;
    return presented.includes('.') ? verifyToken(presented, digest) : judgeOpaque(presented, digest);
  }

  /** A token of an identity provider or, if it is none, a key that came from another gateway. */
  function judgeOpaque(presented: string, digest: string): Caller | Promise<Caller> {
    const principal = deps.keys.find(presented);
    if (principal) return asKey(principal);
    return verifyToken(presented, digest).catch(async (thrown: unknown) => {
      if (!(thrown instanceof GatehouseError) || thrown.code !== 'invalid_token') throw thrown;
      return asKey(await deps.keys.verify(presented));
    });
  }

  return {
    identify(headers, request) {
      const credentials = presentedCredential(headers);
      const { scheme, value } = credentials;
      const caller = judge(credentials);
      if (scheme === 'bearer' && !(caller instanceof Promise) && caller.boundTo === undefined) return caller;
      return checkPossession(caller, { scheme, proof: headers.dpop, token: value });
      async function checkPossession(
        found: Caller | Promise<Caller>,
        presented: { readonly scheme: string; readonly proof: string | undefined; readonly token: string },
      ): Promise<Caller> {
        const known = await found;
        if ((known.boundTo !== undefined) !== (presented.scheme === 'dpop')) throw new GatehouseError('invalid_token');
        if (known.boundTo === undefined) return known;
        await dpop.check(presented, { jkt: known.boundTo, holder: known.principal.key }, request);
        // Whatever was announced while the proof was checked reached no open call: this one is none yet.
        return judge(credentials);
      }
    },
    recheck: async (headers) => judge(presentedCredential(headers)),
    forget(change) {
      if (change.kind === 'everything') {
        cache.clear();
        for (const flight of flights) flight.everything = true;
      } else if (change.kind === 'organization') {
        // Of many people at once it is all that is said: who belongs where is asked anew.
        for (const { caller } of cache.values()) if (caller.known) caller.known.organizations = undefined;
      } else if (change.kind === 'token' || change.kind === 'user' || change.kind === 'identity') {
        const id = `${change.kind}:${change.id}`;
        for (const digest of [...(digests.get(id) ?? [])]) cache.delete(digest);
        for (const flight of flights) flight.changed.add(id);
      }
    },
  };
}

/** As changes are kept here: kind and id. */
export function idsOf({ tokenId, userId, principal, provider }: Caller): readonly string[] {
  if (principal.kind === 'api-key')
    return [`key:${principal.keyId}`, ...(principal.userId === undefined ? [] : [`user:${principal.userId}`])];
  return [
    ...(tokenId === undefined ? [] : [`token:${tokenId}`]),
    ...(userId === undefined ? [] : [`user:${userId}`]),
    ...(provider && userId === undefined ? [`identity:${identityId(provider.name, principal.subject)}`] : []),
  ];
}

/** As the change feed has it. */
const identityId = (provider: string, subject: string) => JSON.stringify([provider, subject]);

interface Presented {
  readonly scheme: 'bearer' | 'dpop';
  readonly value: string;
  /** It says so itself, or stands where keys alone do. */
  readonly isKey: boolean;
}

function presentedCredential({ authorization, apiKey }: CredentialHeaders): Presented {
  if (authorization === undefined) {
    if (apiKey !== undefined && /^[\x21-\x7e]{1,512}$/.test(apiKey))
      return { scheme: 'bearer', value: apiKey, isKey: true };
    throw new GatehouseError('no_token');
  }
  const [, scheme = '', value] = credential.exec(authorization) ?? [];
  if (value === undefined)
    throw new GatehouseError(/^(?:bearer|dpop)\b/i.test(authorization) ? 'invalid_token' : 'no_token');
  if (apiKey !== undefined)
    throw new GatehouseError('bad_request', { message: 'Send either Authorization or X-API-Key, not both' });
  return { scheme: /^d/i.test(scheme) ? 'dpop' : 'bearer', value, isKey: value.startsWith('gw_') };
}

/** For where API keys alone are accepted. Throws `no_token`, `invalid_token`. */
export function checkApiKey(headers: CredentialHeaders): void {
  const { scheme, value } = presentedCredential(headers);
  if (scheme !== 'bearer' || !value.startsWith('gw_')) throw new GatehouseError('invalid_token');
}

function asCaller(provider: IdentityProvider, token: VerifiedToken, resources: ResourceRules): Caller {
  const { tokenId, userId, ...rest } = token;
  const principal: UserPrincipal = { kind: 'user', key: principalKey(token.issuer, token.subject), ...rest };
  return {
    principal,
    provider,
    audience: readAudience(token.claims.aud, resources),
    boundTo: confirmedKey(token.claims.cnf),
    tokenId,
    userId,
    // Of others we hear nothing when they change: their identity provider knows for how long its answer is good.
    ...(userId !== undefined && { known: { organizations: undefined } }),
  };
}

/** A confirmation that we can't check is one that nobody passes: no thumbprint equals the empty one. */
function confirmedKey(cnf: unknown): string | undefined {
  if (cnf === undefined) return undefined;
  if (typeof cnf === 'object' && cnf !== null && 'jkt' in cnf && typeof cnf.jkt === 'string') return cnf.jkt;
  return '';
}
