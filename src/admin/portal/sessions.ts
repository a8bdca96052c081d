/**
 * Who is signed in to the portal with a browser (IDENTITY 3): a cookie of 32 random bytes that scripts never see, and a row
 * that ends it at once. It counts for the portal and the admin API only, and for what changes something only with the
 * page's own proof (`x-csrf-token`) from a page of this very origin.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { readCookie, writeCookie } from '#http/cookies.ts';
import {
  findPortalSession,
  insertPortalLink,
  insertPortalSession,
  type LivePortalSession,
  markPortalSessionSeen,
  removePortalSession,
  takePortalLink,
} from '#records/portal-sessions.ts';

export const absoluteMs = 8 * 3_600_000;
export const idleMs = 30 * 60_000;
/** How long after a sign-in dangerous routes work (SECURITY H7). */
export const freshMs = 10 * 60_000;
export const linkMs = 10 * 60_000;
/** A row is written at most this often for being used. */
const seenEveryMs = 60_000;
/** The authorization server counts in seconds: a session may seem to have begun that much later. */
const skewMs = 2000;

export interface Sessions {
  /** undefined: no cookie, or of nobody any more. */
  find(headers: IncomingHttpHeaders): Promise<LivePortalSession | undefined>;
  /** Answers the cookie. The browser's session from before ends: nobody can have set it up (SECURITY A20). */
  begin(
    headers: IncomingHttpHeaders,
    who: { readonly userId: string | undefined; readonly signedInAt: number },
  ): Promise<string>;
  /** Answers what removes the cookie. */
  end(headers: IncomingHttpHeaders): Promise<string>;
  /** Of a session, or of anything else that stands for one. */
  csrfOf(sessionId: string): string;
  /** Throws `csrf_refused`. */
  check(method: string, headers: IncomingHttpHeaders, sessionId: string): void;
  /** Good once. Unix milliseconds. */
  newLink(): Promise<{ readonly code: string; readonly expiresAt: number }>;
  takeLink(code: string): Promise<boolean>;
}

export interface SessionsDeps {
  readonly db: Db;
  readonly clock: Clock;
  /** As browsers know the gateway. */
  readonly baseUrl: string;
  /** 32 bytes of their own. */
  readonly csrfKey: Uint8Array;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');
const isSafe = (method: string) => method === 'GET' || method === 'HEAD';

export function openSessions({ db, clock, baseUrl, csrfKey }: SessionsDeps): Sessions {
  const { protocol, origin } = new URL(baseUrl);
  const secure = protocol === 'https:';
  const name = secure ? '__Host-gw_admin' : 'gw_admin';
  const digestIn = ({ cookie }: IncomingHttpHeaders) => {
    const value = readCookie(cookie, name);
    return value === undefined ? undefined : digestOf(value);
  };
  const csrfOf = (sessionId: string) => createHmac('sha256', csrfKey).update(sessionId).digest('base64url');
  return {
    csrfOf,
    async find(headers) {
      const digest = digestIn(headers);
      const session = digest === undefined ? undefined : await findPortalSession(db, digest);
      const now = clock.now();
      if (!session || !isLive(session, now)) return undefined;
      if (now - session.seenAt >= seenEveryMs) await markPortalSessionSeen(db, session.digest, now);
      return session;
    },
    async begin(headers, { userId, signedInAt }) {
      const value = randomBytes(32).toString('base64url');
      const seenAt = clock.now();
      const session = { digest: digestOf(value), userId, signedInAt, seenAt, expiresAt: seenAt + absoluteMs };
      await insertPortalSession(db, session, digestIn(headers));
      return writeCookie(name, value, { secure, maxAgeSeconds: absoluteMs / 1000 });
    },
    async end(headers) {
      const digest = digestIn(headers);
      if (digest !== undefined) await removePortalSession(db, digest);
      return writeCookie(name, '', { secure, maxAgeSeconds: 0 });
    },
    check(method, headers, sessionId) {
      const site = headers['sec-fetch-site'];
      // A browser says itself that another site asks; `none` is an address that somebody typed.
      if (isSafe(method) && (site === undefined || site === 'same-origin' || site === 'none')) return;
      const isFromHere =
        (site === undefined || site === 'same-origin') &&
        (headers.origin === undefined || headers.origin === origin) &&
        // Both missing: no browser of today, at least not on a page of ours.
        (site !== undefined || headers.origin !== undefined);
      if (!isFromHere || !isEqual(headers['x-csrf-token']?.toString(), csrfOf(sessionId)))
        throw new GatehouseError('csrf_refused');
    },
    async newLink() {
      const code = randomBytes(32).toString('base64url');
      const nowMs = clock.now();
      const expiresAt = nowMs + linkMs;
      await insertPortalLink(db, { digest: digestOf(code), expiresAt, nowMs });
      return { code, expiresAt };
    },
    takeLink: async (code) =>
      /^[A-Za-z0-9_-]{43}$/.test(code) && (await takePortalLink(db, digestOf(code), clock.now())),
  };
}

/** Whoever was deactivated, or signed out everywhere (another password), is nobody from that moment on. */
function isLive({ userId, user, signedInAt, seenAt, expiresAt }: LivePortalSession, now: number): boolean {
  if (now >= expiresAt || now - seenAt >= idleMs || signedInAt > now + skewMs) return false;
  if (userId === undefined) return true;
  return user?.active === true && signedInAt >= (user.signedOutAt ?? 0);
}

function isEqual(given: string | undefined, expected: string): boolean {
  const [a, b] = [Buffer.from(given ?? ''), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}
