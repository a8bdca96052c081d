/** What people allowed which client: asked once per (user, client, redirect host, resource), again when anything of it changes. */
import { sql } from 'kysely';
import type { PlatformScope } from '#db/scope.ts';

export interface ConsentKey {
  readonly userId: string;
  readonly clientId: string;
  readonly redirectHost: string;
  /** Several: space-separated, sorted. */
  readonly resource: string;
}

export interface Consent extends ConsentKey {
  readonly scopes: readonly string[];
  /** Of what the client said of itself. */
  readonly fingerprint: string;
}

/** True when all of these scopes were allowed, and the client is still what it said it was. */
export async function isConsentKnown({ tx }: PlatformScope, wanted: Consent): Promise<boolean> {
  const row = await tx
    .selectFrom('consents')
    .select(['scopes', 'fingerprint'])
    .where('user_id', '=', wanted.userId)
    .where('client_id', '=', wanted.clientId)
    .where('redirect_host', '=', wanted.redirectHost)
    .where('resource', '=', wanted.resource)
    .executeTakeFirst();
  if (row?.fingerprint !== wanted.fingerprint) return false;
  const allowed = new Set(row.scopes.split(' '));
  return wanted.scopes.every((scope) => allowed.has(scope));
}

export async function putConsent({ tx }: PlatformScope, consent: Consent): Promise<void> {
  const values = { scopes: [...consent.scopes].sort().join(' '), fingerprint: consent.fingerprint };
  await tx
    .insertInto('consents')
    .values({
      user_id: consent.userId,
      client_id: consent.clientId,
      redirect_host: consent.redirectHost,
      resource: consent.resource,
      ...values,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['user_id', 'client_id', 'redirect_host', 'resource'])
        .doUpdateSet({ ...values, created_at: sql<Date>`now()` }),
    )
    .execute();
}
