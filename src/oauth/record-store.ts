/**
 * oidc-provider's storage over `records/oauth-records.ts`. Ids that are bearer values are stored as digests and put back
 * into the payload when found by the value itself; consuming is atomic, so one of two racers loses (RFC 9700 4.5).
 */
import { createHash } from 'node:crypto';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import {
  consumeOauthRecord,
  type FoundOauthRecord,
  findOauthRecord,
  findOauthRecordAndOthers,
  markOauthRecord,
  type OauthRecord,
  removeOauthRecord,
  removeOauthRecordsOf,
  upsertOauthRecord,
} from '#records/oauth-records.ts';
import { type RequestReads, requestReads } from './request-reads.ts';
import { pendingWrites } from './token-writes.ts';

/** Their ids are never shown to anybody but their owner, or are looked up by nothing else. */
const plainIds: ReadonlySet<string> = new Set(['Grant', 'Interaction']);
/** Found by `uid` or `user_code` and then saved under the id again: it is kept, sealed. */
const sealedIds: ReadonlySet<string> = new Set(['Session', 'DeviceCode']);
/** Kept as a whole under seal: they hold what others are found by (a device code, a session, `state`), or are a client's own words. */
const sealedModels: ReadonlySet<string> = new Set(['Interaction', 'PushedAuthorizationRequest']);
/** Whoever finds one asks for its grant and its person next. */
const onGrants: ReadonlySet<string> = new Set(['AuthorizationCode', 'RefreshToken', 'AccessToken']);
/** Written together with the answer of the token endpoint. */
const keptBack: ReadonlySet<string> = new Set(['AccessToken', 'RefreshToken']);

export const digestOf = (value: string): string => createHash('sha256').update(value).digest('base64url');

/** PostgreSQL has no NUL: a request that carries one is at fault, not the storage. Throws `invalid_request`. */
function checkText(payload: AdapterPayload): void {
  if (JSON.stringify(payload).includes('\\u0000'))
    throw new errors.InvalidRequest('a parameter has a character that is none');
}

export interface RecordStoreDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly sealer: Sealer;
}

export function openRecordStore({ db, clock, sealer }: RecordStoreDeps): (model: string) => Adapter {
  return (model) => {
    const storedId = (id: string) => (plainIds.has(model) ? id : digestOf(id));
    const place = `oauth_records:${model}`;

    function storedPayload(id: string, { jti: _bearer, ...rest }: AdapterPayload): AdapterPayload {
      if (sealedModels.has(model)) return { sealed: sealer.seal(`${place}:${storedId(id)}`, JSON.stringify(rest)) };
      if (plainIds.has(model)) return { ...rest, jti: id };
      return sealedIds.has(model) ? { ...rest, sealedId: sealer.seal(place, id) } : rest;
    }

    function openPayload({ id, payload }: FoundOauthRecord): AdapterPayload {
      if (!sealedModels.has(model)) return { ...payload };
      const opened = typeof payload.sealed === 'string' ? sealer.open(`${place}:${id}`, payload.sealed) : undefined;
      // Of another root secret: as good as gone.
      return opened === undefined ? { exp: 1 } : z.record(z.string(), z.unknown()).parse(JSON.parse(opened));
    }

    async function findWithOthers(id: string, reads: RequestReads) {
      const found = await findOauthRecordAndOthers(db, { model, id, nowMs: clock.now() });
      if (found?.grant) reads.grants.set(found.grant.id, found.grant.payload);
      if (found?.user) reads.users.set(found.user.subject, found.user);
      return found;
    }

    async function find(column: 'id' | 'uid' | 'user_code', value: string, id?: string) {
      // Their shadows are among the access tokens.
      if (model === 'ClientCredentials') return undefined;
      const [reads, pending] = [requestReads(), pendingWrites()];
      const found = await (reads && onGrants.has(model) && column === 'id'
        ? findWithOthers(value, reads)
        : findOauthRecord(db, model, { column, value, nowMs: clock.now() }));
      if (!found) return undefined;
      const { sealedId, ...payload }: AdapterPayload = openPayload(found);
      const jti = id ?? (typeof sealedId === 'string' ? sealer.open(place, sealedId) : payload.jti);
      // Whether a refresh token is used up already is decided when its successor is written.
      const consumed = pending?.grant === 'refresh_token' && model === 'RefreshToken' ? undefined : found.consumedAt;
      return {
        ...payload,
        ...(jti !== undefined && { jti }),
        ...(consumed !== undefined && { consumed: Math.floor(consumed / 1000) }),
      };
    }

    async function useOnce({ id, expiresAt = clock.now() }: OauthRecord): Promise<void> {
      const nowMs = clock.now();
      // Kept until the last second in which it would be accepted is over.
      const first = await markOauthRecord(db, { model, id, expiresAt: expiresAt + 1000 }, nowMs);
      if (!first) throw new errors.InvalidGrant('used before');
    }

    return {
      async upsert(id, payload, expiresIn) {
        checkText(payload);
        const record: OauthRecord = {
          model,
          id: storedId(id),
          payload: storedPayload(id, payload),
          clientId: payload.clientId,
          accountId: payload.accountId,
          grantId: payload.grantId ?? (model === 'Grant' ? id : undefined),
          uid: payload.uid,
          userCode: payload.userCode,
          expiresAt: expiresIn ? clock.now() + expiresIn * 1000 : undefined,
        };
        // Proofs and assertions are good once, whoever brings them a second time at the same moment.
        if (model === 'ReplayDetection') return useOnce(record);
        if (model === 'Grant') requestReads()?.grants.delete(id);
        const pending = keptBack.has(model) ? pendingWrites() : undefined;
        if (pending) pending.inserted.push(record);
        else await upsertOauthRecord(db, record);
      },
      async find(id) {
        const known = model === 'Grant' ? requestReads()?.grants.get(id) : undefined;
        return known ? { ...known } : find('id', storedId(id), id);
      },
      findByUid: (uid) => find('uid', uid),
      findByUserCode: (userCode) => find('user_code', userCode),
      async consume(id) {
        const used = { model, id: storedId(id) };
        const pending = pendingWrites();
        if (pending) pending.consumed.push(used);
        else if (!(await consumeOauthRecord(db, { ...used, nowMs: clock.now() })))
          throw new errors.InvalidGrant('already used');
      },
      destroy(id) {
        if (model === 'Grant') requestReads()?.grants.delete(id);
        return removeOauthRecord(db, model, storedId(id));
      },
      revokeByGrantId(grantId) {
        requestReads()?.grants.delete(grantId);
        return removeOauthRecordsOf(db, 'grant_id', grantId);
      },
    };
  };
}
