/**
 * Clerk's opaque OAuth access tokens (`oat_…`): only Clerk knows what they are good for. Asked once a minute for each, by
 * a digest here, never by the token; what Clerk doesn't know is remembered too, so that guesses don't become questions.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { IdentityDeps, VerifiedToken } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import type { VendorApi } from '#adapters/identity/vendor-api.ts';
import type { CheckedToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';

export const opaquePrefix = 'oat_';

const believedMs = 60_000;
const refusedMs = 30_000;
const shape = /^oat_[A-Za-z0-9_-]{8,512}$/;

const answerSchema = z.looseObject({
  id: z.string().optional(),
  client_id: z.string().optional(),
  subject: z.string().optional(),
  scopes: z.array(z.string()).nullish(),
  revoked: z.boolean(),
  expired: z.boolean(),
  /** Unix time, null for never. */
  expiration: z.number().nonnegative().nullish(),
  aud: z.union([z.string(), z.array(z.string())]).nullish(),
  org_id: z.string().nullish(),
  active: z.boolean().optional(),
});

type Answer = z.output<typeof answerSchema>;

export interface OpaqueTokens {
  /** Throws `invalid_token` and `identity_unavailable`. `expiresAt`: at most a minute from when Clerk was asked. */
  verify(token: string): Promise<VerifiedToken>;
  forget(subject: string): void;
}

export interface OpaqueTokensOptions extends Pick<IdentityDeps, 'clock' | 'log'> {
  readonly api: VendorApi;
  readonly apiUrl: string;
  readonly issuer: string;
  /** What the token says, as its JWT form would. Throws for one that isn't a person's, or not for us. */
  read(checked: CheckedToken): VerifiedToken;
}

export function openOpaqueTokens(options: OpaqueTokensOptions): OpaqueTokens {
  const { clock, log } = options;
  const good = new LRUCache<string, VerifiedToken>({ max: 20_000 });
  /** Digest → monotonic milliseconds of the refusal. */
  const refused = new LRUCache<string, number>({ max: 20_000 });
  const flights = new Map<string, Promise<VerifiedToken>>();

  const ask = async (token: string, digest: string): Promise<VerifiedToken> => {
    const askedAt = clock.now();
    try {
      const verified = asVerified(await fetchAnswer(token, options), askedAt, options);
      good.set(digest, verified);
      return verified;
    } catch (cause) {
      if (cause instanceof GatehouseError && cause.code === 'invalid_token') {
        refused.set(digest, clock.monotonic());
        throw cause;
      }
      log.warn({ err: cause }, 'Clerk could not be asked about an OAuth token');
      if (cause instanceof GatehouseError && cause.code === 'identity_unavailable') throw cause;
      throw new GatehouseError('identity_unavailable', { cause });
    }
  };

  return {
    async verify(token) {
      if (!shape.test(token)) throw new GatehouseError('invalid_token');
      const digest = hash('sha256', token, 'base64');
      const known = good.get(digest);
      if (known && known.expiresAt > clock.now()) return known;
      const refusedAt = refused.get(digest);
      if (refusedAt !== undefined && clock.monotonic() - refusedAt < refusedMs)
        throw new GatehouseError('invalid_token');
      const flight = flights.get(digest) ?? ask(token, digest).finally(() => flights.delete(digest));
      flights.set(digest, flight);
      return flight;
    },
    forget(subject) {
      for (const [digest, token] of [...good.entries()]) if (token.subject === subject) good.delete(digest);
    },
  };
}

async function fetchAnswer(token: string, { api, apiUrl }: OpaqueTokensOptions): Promise<Answer> {
  // Without a version in the path, as Clerk's own library and guides have it.
  const url = new URL(joinPath(apiUrl, '/oauth_applications/access_tokens/verify'));
  const { status, body } = await api.ask(url, { json: { access_token: token }, expected: [400, 404, 422] });
  if (status !== 200) throw new GatehouseError('invalid_token', { cause: new Error(`Clerk answered ${status}`) });
  return answerSchema.parse(body);
}

function asVerified(answer: Answer, askedAt: number, { issuer, read }: OpaqueTokensOptions): VerifiedToken {
  const { id, client_id, subject = '', scopes, aud } = answer;
  const until = milliseconds(answer.expiration);
  if (answer.revoked || answer.expired || answer.active === false || until <= askedAt) {
    throw new GatehouseError('invalid_token', { cause: new Error('Clerk says: revoked or expired') });
  }
  const claims = {
    iss: issuer,
    sub: subject,
    ...(client_id !== undefined && { client_id }),
    ...(id !== undefined && { jti: id }),
    ...(scopes && { scope: scopes.join(' ') }),
    ...(aud != null && { aud }),
    ...(answer.org_id != null && { org_id: answer.org_id }),
  };
  return read({ issuer, subject, expiresAt: Math.min(until, askedAt + believedMs), claims });
}

/** Clerk's API has milliseconds; its documents show seconds too. */
function milliseconds(time: number | null | undefined): number {
  if (time == null) return Number.POSITIVE_INFINITY;
  return time < 1e11 ? time * 1000 : time;
}
