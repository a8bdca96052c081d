/** Browsers that were sent to an identity provider and are awaited back: by the digest of their `state`, sealed, once. */
import type { PlatformScope } from '#db/scope.ts';

export interface SignInAttempt {
  readonly digest: string;
  readonly sealed: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

export async function insertSignInAttempt({ tx }: PlatformScope, attempt: SignInAttempt): Promise<void> {
  const { digest, sealed, expiresAt } = attempt;
  await tx
    .insertInto('sign_in_attempts')
    .values({ digest, sealed, expires_at: new Date(expiresAt) })
    .execute();
}

/** Whoever asks first gets it, and nobody after: undefined also for one whose time is over. */
export async function takeSignInAttempt(
  { tx }: PlatformScope,
  digest: string,
  nowMs: number,
): Promise<string | undefined> {
  const row = await tx
    .deleteFrom('sign_in_attempts')
    .where('digest', '=', digest)
    .returning(['sealed', 'expires_at'])
    .executeTakeFirst();
  return row && row.expires_at.getTime() > nowMs ? row.sealed : undefined;
}

/** How many were swept. */
export async function removeExpiredSignInAttempts({ tx }: PlatformScope, nowMs: number): Promise<number> {
  const result = await tx.deleteFrom('sign_in_attempts').where('expires_at', '<=', new Date(nowMs)).executeTakeFirst();
  return Number(result.numDeletedRows);
}
