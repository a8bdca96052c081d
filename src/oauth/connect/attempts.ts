/**
 * Between the button and the way back from a foreign authorization server: what was asked of whom, for which person. Good
 * once, for ten minutes, in the browser that began it.
 */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { readCookie, writeCookie } from '#http/cookies.ts';
import type { AccountPlace } from '#records/connected-accounts.ts';
import { insertConnectionAttempt, takeConnectionAttempt } from '#records/connection-attempts.ts';

export const attemptSeconds = 600;

const schema = z.object({
  org: z.string().transform(asOrgId),
  user: z.string(),
  server: z.string().transform(asServerId),
  issuer: z.string(),
  clientId: z.string(),
  verifier: z.string(),
  resource: z.string().optional(),
  scopes: z.array(z.string()),
  browser: z.string(),
});

export type Attempt = Omit<z.output<typeof schema>, 'browser'> & AccountPlace;

export interface Attempts {
  /** `cookie`: for the browser. */
  keep(attempt: Attempt): Promise<{ readonly state: string; readonly cookie: string }>;
  /** Once; undefined: unknown, used, expired, or another browser's. `cookie` removes the browser's part. */
  take(state: string, cookies: string | undefined): Promise<{ readonly attempt?: Attempt; readonly cookie: string }>;
}

export interface AttemptsDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly secure: boolean;
}

const digestOf = (text: string) => createHash('sha256').update(text).digest('base64url');
const placeOf = (digest: string) => `connection_attempts:${digest}`;

export function openAttempts({ db, sealer, clock, secure }: AttemptsDeps): Attempts {
  const nameOf = (digest: string) => `${secure ? '__Host-' : ''}gw_co_${digest.slice(0, 12)}`;
  return {
    async keep(attempt) {
      const state = randomBytes(32).toString('base64url');
      const digest = digestOf(state);
      const browser = randomBytes(32).toString('base64url');
      const sealed = sealer.seal(placeOf(digest), JSON.stringify({ ...attempt, browser: digestOf(browser) }));
      const expiresAt = clock.now() + attemptSeconds * 1000;
      await insertConnectionAttempt(
        db,
        { org: attempt.org, user: attempt.user, digest, sealed, expiresAt },
        clock.now(),
      );
      return { state, cookie: writeCookie(nameOf(digest), browser, { secure, maxAgeSeconds: attemptSeconds }) };
    },
    async take(state, cookies) {
      const digest = digestOf(state);
      const cookie = writeCookie(nameOf(digest), '', { secure, maxAgeSeconds: 0 });
      const sealed = await takeConnectionAttempt(db, digest, clock.now());
      const opened = sealed === undefined ? undefined : sealer.open(placeOf(digest), sealed);
      if (opened === undefined) return { cookie };
      const { browser, ...attempt } = schema.parse(JSON.parse(opened));
      const presented = readCookie(cookies, nameOf(digest));
      return presented !== undefined && digestOf(presented) === browser ? { attempt, cookie } : { cookie };
    },
  };
}
