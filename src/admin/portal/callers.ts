/** Whose browser it is: of a session of ours, or of Open WebUI's own, which is then the portal's (REQUIREMENTS S3.25). */
import type { IncomingMessage } from 'node:http';
import type { Actor, SignedInPerson } from '#admin/actor.ts';
import { readCookie } from '#http/cookies.ts';
import type { User } from '#records/users.ts';
import { freshMs, idleMs, type Sessions } from './sessions.ts';

type Shown = Pick<User, 'id' | 'name' | 'email' | 'username'>;

export interface PortalCaller {
  readonly kind: 'person' | 'link' | 'open-webui';
  readonly actor: Extract<Actor, { readonly kind: 'platform' }> | SignedInPerson;
  readonly user: Shown | null;
  /** What the page's proof is made from. Never sent. */
  readonly sessionId: string;
  /** Unix milliseconds; undefined: another application keeps the session. */
  readonly times?: { readonly signedInAt: number; readonly expiresAt: number; readonly idleExpiresAt: number };
}

export interface CallersDeps {
  readonly sessions: Sessions;
  /** With the rights that a token of theirs would have. */
  readonly asPerson: (user: User) => Promise<SignedInPerson> | SignedInPerson;
  readonly openWebui?: OpenWebuiSessions | undefined;
}

export interface OpenWebuiSessions {
  readonly cookie: string;
  /** Asked anew each time. undefined: nobody who is known here. */
  readonly find: (token: string) => Promise<{ readonly actor: SignedInPerson; readonly user: Shown } | undefined>;
}

export type FindCaller = (request: IncomingMessage) => Promise<PortalCaller | undefined>;

export function callerFinder({ sessions, asPerson, openWebui }: CallersDeps): FindCaller {
  return async ({ headers }) => {
    const session = await sessions.find(headers);
    if (!session) return openWebui && findOpenWebui(headers.cookie, openWebui);
    const { digest, user, signedInAt, expiresAt, seenAt } = session;
    const freshUntil = signedInAt + freshMs;
    const found = {
      sessionId: digest,
      times: { signedInAt, expiresAt, idleExpiresAt: Math.min(expiresAt, seenAt + idleMs) },
    };
    if (!user) return { ...found, kind: 'link', actor: { kind: 'platform', freshUntil }, user: null };
    return { ...found, kind: 'person', actor: { ...(await asPerson(user)), freshUntil }, user };
  };
}

async function findOpenWebui(
  cookies: string | undefined,
  { cookie, find }: OpenWebuiSessions,
): Promise<PortalCaller | undefined> {
  const token = readCookie(cookies, cookie);
  const found = token === undefined ? undefined : await find(token);
  return found && { ...found, kind: 'open-webui', sessionId: `open-webui ${token}` };
}

/** For the admin API: as whom a browser asks. Throws `csrf_refused`. */
export function sessionActor(findCaller: FindCaller, sessions: Pick<Sessions, 'check'>) {
  return async (request: IncomingMessage): Promise<PortalCaller['actor'] | undefined> => {
    const caller = await findCaller(request);
    if (caller) sessions.check(request.method ?? '', request.headers, caller.sessionId);
    return caller?.actor;
  };
}
