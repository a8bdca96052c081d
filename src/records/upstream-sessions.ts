/**
 * Sessions that the gateway has at stateful upstream servers, so that another replica goes on with the same one. Sealed:
 * whoever has such an id may speak in the session. Whose it is is in the digest and in what the seal is bound to.
 */
import { hash } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import type { BindingId, OrgId, PrincipalKey } from '#core/ids.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import { openSealer } from '#core/sealer.ts';
import { type Every, systemEvery } from '#db/notified-change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withOrganization, withPlatform } from '#db/scope.ts';

/** Two that differ in anything share no session. */
export interface UpstreamSessionPlace {
  readonly org: OrgId;
  readonly binding: BindingId;
  readonly principal: PrincipalKey;
  /** Which credential, in which version; empty: none. */
  readonly credential: string;
  /** What else tells sessions apart: the server's address, capabilities that were declared. */
  readonly variant: string;
}

export interface UpstreamSessions {
  /** As it was put; undefined: none, expired, or sealed under another root secret. Throws `storage_unavailable`. */
  find(place: UpstreamSessionPlace): Promise<JsonObject | undefined>;
  /** Takes the place of another one. `session`: its id, and what was negotiated; at most 32 KiB as JSON. */
  put(place: UpstreamSessionPlace, session: JsonObject, expiresAt: number): Promise<void>;
  /** Only while it is still this one: another replica may have made a new one since. */
  remove(place: UpstreamSessionPlace, session: JsonObject): Promise<void>;
  close(): void;
}

export interface UpstreamSessionDeps {
  readonly db: Db;
  /** 32 bytes, derived from the root secret for this alone. */
  readonly key: Uint8Array;
  /** Of root secrets of the past: they open as well. */
  readonly older?: readonly Uint8Array[];
  readonly clock: Clock;
  readonly log: Log;
  readonly every?: Every;
}

const SWEEP_MS = 600_000;

export function openUpstreamSessions({
  db,
  key,
  older = [],
  clock,
  log,
  every = systemEvery,
}: UpstreamSessionDeps): UpstreamSessions {
  const sealer = openSealer(key, older);
  const stopSweeping = every(SWEEP_MS, () => {
    removeExpired(db, clock.now()).catch((error: unknown) =>
      log.warn({ err: error }, 'expired upstream sessions could not be removed'),
    );
  });

  return {
    find(place) {
      const digest = digestOf(place);
      return withOrganization(db, place.org, async ({ tx }) => {
        const row = await tx
          .selectFrom('upstream_sessions')
          .select('sealed')
          .where('digest', '=', digest)
          .where('expires_at', '>', new Date(clock.now()))
          .executeTakeFirst();
        const plain = row && sealer.open(digest, row.sealed);
        return plain === undefined ? undefined : parseJsonObject(plain);
      });
    },
    async put(place, session, expiresAt) {
      const digest = digestOf(place);
      const values = { sealed: sealer.seal(digest, JSON.stringify(session)), expires_at: new Date(expiresAt) };
      await withOrganization(db, place.org, ({ tx, org }) =>
        tx
          .insertInto('upstream_sessions')
          .values({ org_id: org, digest, ...values })
          .onConflict((conflict) => conflict.columns(['org_id', 'digest']).doUpdateSet(values))
          .execute(),
      );
    },
    async remove(place, session) {
      const digest = digestOf(place);
      await withOrganization(db, place.org, async ({ tx }) => {
        const row = await tx
          .selectFrom('upstream_sessions')
          .select('sealed')
          .where('digest', '=', digest)
          .forUpdate()
          .executeTakeFirst();
        if (!row || sealer.open(digest, row.sealed) !== JSON.stringify(session)) return;
        await tx.deleteFrom('upstream_sessions').where('digest', '=', digest).execute();
      });
    },
    close: stopSweeping,
  };
}

/** Injective before it is hashed. Binds the seal as well: a row moved elsewhere opens nowhere. */
function digestOf({ org, binding, principal, credential, variant }: UpstreamSessionPlace): string {
  return hash('sha256', JSON.stringify([org, binding, principal, credential, variant]), 'base64url');
}

async function removeExpired(db: Db, nowMs: number): Promise<void> {
  await withPlatform(db, ({ tx }) =>
    tx.deleteFrom('upstream_sessions').where('expires_at', '<=', new Date(nowMs)).execute(),
  );
}
