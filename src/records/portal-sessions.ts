/** Sessions of the portal and the links that begin one, by the digest of what a browser holds. */
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { findUser, type User } from './users.ts';

export interface PortalSession {
  /** Base64url of a SHA-256. */
  readonly digest: string;
  /** undefined: of nobody, by a link. */
  readonly userId: string | undefined;
  /** Unix milliseconds, all three. */
  readonly signedInAt: number;
  readonly seenAt: number;
  readonly expiresAt: number;
}

export interface LivePortalSession extends PortalSession {
  readonly user: User | undefined;
}

/** `replaced`: the browser's own from before, which ends. Those whose time is over go at the same time. */
export function insertPortalSession(db: Db, session: PortalSession, replaced: string | undefined): Promise<void> {
  return withPlatform(db, async ({ tx }) => {
    await tx
      .deleteFrom('portal_sessions')
      .where((is) =>
        is.or([
          is('expires_at', '<=', new Date(session.seenAt)),
          ...(replaced === undefined ? [] : [is('digest', '=', replaced)]),
        ]),
      )
      .execute();
    await tx
      .insertInto('portal_sessions')
      .values({
        digest: session.digest,
        user_id: session.userId ?? null,
        signed_in_at: new Date(session.signedInAt),
        seen_at: new Date(session.seenAt),
        expires_at: new Date(session.expiresAt),
      })
      .execute();
  });
}

/** With whose it is, as they are now. */
export function findPortalSession(db: Db, digest: string): Promise<LivePortalSession | undefined> {
  return withPlatform(db, async (scope) => {
    const row = await scope.tx
      .selectFrom('portal_sessions')
      .select(['user_id', 'signed_in_at', 'seen_at', 'expires_at'])
      .where('digest', '=', digest)
      .executeTakeFirst();
    if (!row) return undefined;
    const userId = row.user_id ?? undefined;
    const user = userId === undefined ? undefined : await findUser(scope, { column: 'id', value: userId });
    return {
      digest,
      userId,
      user,
      signedInAt: row.signed_in_at.getTime(),
      seenAt: row.seen_at.getTime(),
      expiresAt: row.expires_at.getTime(),
    };
  });
}

export function markPortalSessionSeen(db: Db, digest: string, nowMs: number): Promise<void> {
  return withPlatform(db, async ({ tx }) => {
    await tx
      .updateTable('portal_sessions')
      .set({ seen_at: new Date(nowMs) })
      .where('digest', '=', digest)
      .execute();
  });
}

export function removePortalSession(db: Db, digest: string): Promise<void> {
  return withPlatform(db, async ({ tx }) => {
    await tx.deleteFrom('portal_sessions').where('digest', '=', digest).execute();
  });
}

export function insertPortalLink(
  db: Db,
  { digest, expiresAt, nowMs }: { readonly digest: string; readonly expiresAt: number; readonly nowMs: number },
): Promise<void> {
  return withPlatform(db, async ({ tx }) => {
    await tx.deleteFrom('portal_links').where('expires_at', '<=', new Date(nowMs)).execute();
    await tx
      .insertInto('portal_links')
      .values({ digest, expires_at: new Date(expiresAt) })
      .execute();
  });
}

/** Whoever asks first gets it, and nobody after; false also for one whose time is over. */
export function takePortalLink(db: Db, digest: string, nowMs: number): Promise<boolean> {
  return withPlatform(db, async ({ tx }) => {
    const row = await tx
      .deleteFrom('portal_links')
      .where('digest', '=', digest)
      .returning('expires_at')
      .executeTakeFirst();
    return row !== undefined && row.expires_at.getTime() > nowMs;
  });
}
