/** Browsers that were sent to a foreign authorization server and are awaited back: by the digest of their `state`, sealed, once. */
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';

export interface ConnectionAttempt {
  readonly org: OrgId;
  readonly user: string;
  readonly digest: string;
  readonly sealed: string;
  /** Unix milliseconds. */
  readonly expiresAt: number;
}

/** Those whose time is over go at the same time. */
export function insertConnectionAttempt(db: Db, attempt: ConnectionAttempt, nowMs: number): Promise<void> {
  const { org, user, digest, sealed, expiresAt } = attempt;
  return withOrganization(db, org, async ({ tx }) => {
    await tx.deleteFrom('connection_attempts').where('expires_at', '<=', new Date(nowMs)).execute();
    await tx
      .insertInto('connection_attempts')
      .values({ org_id: org, user_id: user, digest, sealed, expires_at: new Date(expiresAt) })
      .execute();
  });
}

/** Whoever asks first gets it, and nobody after: undefined also for one whose time is over. */
export function takeConnectionAttempt(db: Db, digest: string, nowMs: number): Promise<string | undefined> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .deleteFrom('connection_attempts')
      .where('digest', '=', digest)
      .returning(['sealed', 'expires_at'])
      .executeTakeFirst();
    return row && row.expires_at.getTime() > nowMs ? row.sealed : undefined;
  });
}
