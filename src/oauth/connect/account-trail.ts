/** What becomes of people's own accounts at upstream servers, in the trail: never a token. */
import type { ErrorCode } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import type { AuditActor, AuditTrail } from '#records/audit/event.ts';
import { findUser, type User } from '#records/users.ts';

export interface AccountEvent {
  readonly action: 'account.linked' | 'account.unlinked' | 'account.renewed' | 'account.failed' | 'account.exchanged';
  readonly org: OrgId;
  /** The row of the person, themselves, or how their token calls them. */
  readonly whose: { readonly id: string } | User | AuditActor;
  /** Key of the server. */
  readonly server?: string | undefined;
  /** Of the authorization server. */
  readonly issuer: string;
  readonly refused?: ErrorCode;
  /** In the authorization server's words: a code. */
  readonly reason?: string;
  readonly account?: string | undefined;
  readonly clientAddress?: string | undefined;
  readonly userAgent?: string | undefined;
}

/** Resolves once it is kept. Never rejects. */
export type RecordAccount = (event: AccountEvent) => Promise<void>;

interface AccountTrailDeps {
  readonly db: Db;
  readonly trail: AuditTrail;
  /** Of the tokens of people. */
  readonly issuer: string;
}

export function openAccountTrail({ db, trail, issuer }: AccountTrailDeps): RecordAccount {
  const actorOf = async (whose: AccountEvent['whose']): Promise<AuditActor> => {
    if ('kind' in whose) return whose;
    const user = 'subject' in whose ? whose : await read(db, whose.id);
    // Better an event that names a row than none.
    return user
      ? { kind: 'user', issuer, subject: user.subject, email: user.email }
      : { kind: 'user', subject: whose.id };
  };
  return async ({ whose, issuer: server, reason, account, ...event }) =>
    trail.record({
      ...event,
      kind: 'credential',
      actor: await actorOf(whose),
      detail: {
        issuer: server,
        ...(reason !== undefined && { reason }),
        ...(account !== undefined && { credential: account }),
      },
    });
}

const read = (db: Db, id: string): Promise<User | undefined> =>
  withPlatform(db, (scope) => findUser(scope, { column: 'id', value: id })).catch(() => undefined);
