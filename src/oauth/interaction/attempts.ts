/**
 * The way to an identity provider and back. The `state` is good once, for ten minutes, and only in the browser in which
 * the person approved: it holds a cookie that no other browser has (SECURITY A2).
 */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { readCookie, writeCookie } from '#http/cookies.ts';
import { insertSignInAttempt, takeSignInAttempt } from '#records/sign-in-attempts.ts';

export const attemptSeconds = 600;

const attempt = z.object({
  interaction: z.string(),
  provider: z.string(),
  /** What was approved on the page. */
  approval: z.string(),
  memory: z.string(),
  organization: z.string().optional(),
  loginHint: z.string().optional(),
  browser: z.string(),
});

export type Attempt = Omit<z.output<typeof attempt>, 'browser'>;

export interface Attempts {
  newState(): string;
  /** Answers the cookie for the browser. */
  keep(state: string, attempt: Attempt): Promise<string>;
  /** Once; `undefined`: unknown, used, expired, or another browser's. `cookie` removes the browser's part. */
  take(state: string, cookies: string | undefined): Promise<{ readonly attempt?: Attempt; readonly cookie: string }>;
}

export interface AttemptsDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly secure: boolean;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');
const placeOf = (digest: string) => `sign_in_attempts:${digest}`;

export function openAttempts({ db, sealer, clock, secure }: AttemptsDeps): Attempts {
  const nameOf = (digest: string) => `${secure ? '__Host-' : ''}gw_st_${digest.slice(0, 12)}`;
  return {
    newState: () => randomBytes(32).toString('base64url'),
    async keep(state, kept) {
      const digest = digestOf(state);
      const browser = randomBytes(32).toString('base64url');
      const sealed = sealer.seal(placeOf(digest), JSON.stringify({ ...kept, browser: digestOf(browser) }));
      const expiresAt = clock.now() + attemptSeconds * 1000;
      await withPlatform(db, (scope) => insertSignInAttempt(scope, { digest, sealed, expiresAt }));
      return writeCookie(nameOf(digest), browser, { secure, maxAgeSeconds: attemptSeconds });
    },
    async take(state, cookies) {
      const digest = digestOf(state);
      const cookie = writeCookie(nameOf(digest), '', { secure, maxAgeSeconds: 0 });
      const sealed = await withPlatform(db, (scope) => takeSignInAttempt(scope, digest, clock.now()));
      const opened = sealed === undefined ? undefined : sealer.open(placeOf(digest), sealed);
      if (opened === undefined) return { cookie };
      const { browser, ...kept } = attempt.parse(JSON.parse(opened));
      const presented = readCookie(cookies, nameOf(digest));
      return presented !== undefined && digestOf(presented) === browser ? { attempt: kept, cookie } : { cookie };
    },
  };
}
