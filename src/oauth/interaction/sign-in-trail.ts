/** Sign-ins, refused ones too, and what people allow: for the trail. It never holds anybody up for longer than the disk does. */
import type { IncomingMessage } from 'node:http';
import type { ErrorCode } from '#core/error.ts';
import { type AuditActor, type AuditTrail, silentTrail } from '#records/audit/event.ts';
import type { User } from '#records/users.ts';

interface SignInTrailDeps {
  readonly issuer: string;
  readonly trail?: AuditTrail | undefined;
  readonly readAddress?: ((socketAddress: string, forwardedFor: string | undefined) => string) | undefined;
}

interface Refused {
  readonly user?: User | undefined;
  /** What they said they are called. */
  readonly account?: string | undefined;
  readonly provider: string | undefined;
  readonly reason: ErrorCode;
}

export function openSignInTrail({ issuer, trail = silentTrail, readAddress }: SignInTrailDeps) {
  const kind = 'sign_in' as const;
  const actorOf = ({ subject, email }: Pick<User, 'subject' | 'email'>): AuditActor => ({
    kind: 'user',
    issuer,
    subject,
    email,
  });
  const from = ({ socket, headers }: IncomingMessage) => {
    const address = socket.remoteAddress ?? '';
    return {
      clientAddress: readAddress?.(address, headers['x-forwarded-for']?.toString()) ?? address,
      userAgent: headers['user-agent'],
    };
  };
  const detailOf = (provider: string | undefined) => (provider === undefined ? {} : { detail: { provider } });
  return {
    entered: (req: IncomingMessage, user: User, provider: string) =>
      trail.record({ kind, action: 'sign_in.done', actor: actorOf(user), ...from(req), ...detailOf(provider) }),
    refused: (req: IncomingMessage, { user, account, provider, reason }: Refused) =>
      trail.record({
        ...{ kind, action: 'sign_in.failed', target: account, refused: reason },
        ...from(req),
        ...(user && { actor: actorOf(user) }),
        ...detailOf(provider),
      }),
    left: (req: IncomingMessage, subject: string) =>
      trail.record({ kind, action: 'sign_in.ended', actor: { kind: 'user', issuer, subject }, ...from(req) }),
    consented: (user: User, client: string) =>
      trail.record({ kind, action: 'consent.given', actor: actorOf(user), detail: { client } }),
  };
}
