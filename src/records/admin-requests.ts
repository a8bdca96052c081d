/** Requests of the admin API that happen once, or one after the other: whoever claims one first works on it. */
import type { PlatformScope } from '#db/scope.ts';

export interface RequestClaim {
  /** SHA-256, hexadecimal. */
  readonly id: string;
  readonly sealed: string | null;
  /** Unix milliseconds. */
  readonly nowMs: number;
  /** How long nobody else may claim it. */
  readonly forMs: number;
}

export interface ClaimedRequest {
  readonly state: 'running' | 'done';
  readonly sealed: string | null;
}

/** undefined: it is the caller's now. */
export async function claimAdminRequest(
  { tx }: PlatformScope,
  claim: RequestClaim,
): Promise<ClaimedRequest | undefined> {
  const { id, sealed, nowMs, forMs } = claim;
  await tx.deleteFrom('admin_requests').where('expires_at', '<=', new Date(nowMs)).execute();
  const { numInsertedOrUpdatedRows = 0n } = await tx
    .insertInto('admin_requests')
    .values({ id, state: 'running', sealed, expires_at: new Date(nowMs + forMs) })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst();
  if (numInsertedOrUpdatedRows > 0n) return undefined;
  const found = await tx
    .selectFrom('admin_requests')
    .select(['state', 'sealed'])
    .where('id', '=', id)
    .executeTakeFirst();
  return found ?? { state: 'running', sealed: null };
}

export async function finishAdminRequest(
  { tx }: PlatformScope,
  { id, sealed, nowMs, forMs }: RequestClaim,
): Promise<void> {
  await tx
    .updateTable('admin_requests')
    .set({ state: 'done', sealed, expires_at: new Date(nowMs + forMs) })
    .where('id', '=', id)
    .execute();
}

export async function releaseAdminRequest({ tx }: PlatformScope, id: string): Promise<void> {
  await tx.deleteFrom('admin_requests').where('id', '=', id).execute();
}
