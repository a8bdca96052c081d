/**
 * oidc-provider's storage over `records/oauth-records.ts`. Ids that are bearer values are stored as digests and put back
 * into the payload when found by the value itself; consuming is atomic, so one of two racers loses (RFC 9700 4.5).
 */
import { createHash } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import {
  consumeOauthRecord,
  findOauthRecord,
  removeOauthRecord,
  removeOauthRecordsOf,
  upsertOauthRecord,
} from '#records/oauth-records.ts';

/** Their ids are never shown to anybody, or are looked up by `uid` or `user_code`. */
const plainIds: ReadonlySet<string> = new Set(['Grant', 'Interaction']);

export const digestOf = (value: string): string => createHash('sha256').update(value).digest('base64url');

export function openRecordStore(db: Db, clock: Clock): (model: string) => Adapter {
  return (model) => {
    const storedId = (id: string) => (plainIds.has(model) ? id : digestOf(id));
    const find = async (column: 'id' | 'uid' | 'user_code', value: string, id?: string) => {
      const found = await findOauthRecord(db, model, { column, value, nowMs: clock.now() });
      if (!found) return undefined;
      const payload: AdapterPayload = { ...found.payload };
      if (id !== undefined) payload.jti = id;
      if (found.consumedAt !== undefined) payload.consumed = Math.floor(found.consumedAt / 1000);
      return payload;
    };
    return {
      async upsert(id, payload, expiresIn) {
        const { jti: _bearer, ...rest } = payload;
        await upsertOauthRecord(db, {
          model,
          id: storedId(id),
          payload: plainIds.has(model) || model === 'Session' || model === 'DeviceCode' ? payload : rest,
          clientId: payload.clientId,
          accountId: payload.accountId,
          grantId: payload.grantId ?? (model === 'Grant' ? id : undefined),
          uid: payload.uid,
          userCode: payload.userCode,
          expiresAt: expiresIn ? clock.now() + expiresIn * 1000 : undefined,
        });
      },
      find: (id) => find('id', storedId(id), id),
      findByUid: (uid) => find('uid', uid),
      findByUserCode: (userCode) => find('user_code', userCode),
      async consume(id) {
        if (!(await consumeOauthRecord(db, model, storedId(id)))) throw new errors.InvalidGrant('already used');
      },
      destroy: (id) => removeOauthRecord(db, model, storedId(id)),
      revokeByGrantId: (grantId) => removeOauthRecordsOf(db, 'grant_id', grantId),
    };
  };
}
