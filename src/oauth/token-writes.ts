/**
 * What one request to the token endpoint writes, kept back until its answer is ready and then written in one transaction:
 * a code or refresh token is used up exactly if its successors exist, and of racing requests the database lets one through.
 * The losers of a race for a refresh token are given the winner's answer, for ten seconds and only while nobody went on
 * from it: clients lose answers and refresh in parallel (SECURITY A9).
 */
import { errors, Provider } from 'oidc-provider';
import { z } from 'zod';
import type { Clock } from '#core/clock.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { findNote, type OauthRecord, removeOauthRecordsOf, writeTokens } from '#records/oauth-records.ts';

export const graceMs = 10_000;

interface Pending {
  readonly grant: string;
  readonly consumed: { readonly model: string; readonly id: string }[];
  readonly inserted: OauthRecord[];
}

const pendingOf = new WeakMap<object, Pending>();

/** Of the token request being answered; undefined: whatever is written is written at once. */
export function pendingWrites(): Pending | undefined {
  const { ctx } = Provider;
  return ctx && pendingOf.get(ctx);
}

interface GrantContext {
  body?: unknown;
  readonly oidc: { readonly params?: Readonly<Record<string, unknown>> | undefined };
}

export interface TokenWritesDeps {
  readonly db: Db;
  readonly sealer: Sealer;
  readonly clock: Clock;
}

/** Around the handler of a grant (RFC 6749 4): its writes happen after it, together. */
export function writingAtOnce<Context extends GrantContext>(
  deps: TokenWritesDeps,
  grant: string,
  handler: (ctx: Context) => Promise<void> | void,
): (ctx: Context) => Promise<void> {
  const { db, clock } = deps;
  return async (ctx) => {
    const pending: Pending = { grant, consumed: [], inserted: [] };
    pendingOf.set(ctx, pending);
    try {
      await handler(ctx);
    } finally {
      pendingOf.delete(ctx);
    }
    const { consumed, inserted } = pending;
    if (consumed.length === 0 && inserted.length === 0) return;
    const grantIds = [...new Set(inserted.flatMap(({ grantId }) => grantId ?? []))];
    const note = noteOf(deps, pending, ctx);
    const written = await writeTokens(
      db,
      { grantIds, consumed: consumed.map((record) => ({ ...record, note })), inserted },
      clock.now(),
    );
    if (written === 'written') return;
    const again = written === 'used' && grant === 'refresh_token' ? await findAnswer(deps, pending, ctx) : undefined;
    if (again === undefined) {
      for (const grantId of grantIds) await removeOauthRecordsOf(db, 'grant_id', grantId);
      throw new errors.InvalidGrant('already used');
    }
    ctx.body = again;
  };
}

const answered = z.object({ asked: z.string(), body: z.record(z.string(), z.unknown()) });
const noted = z.object({ next: z.string(), sealed: z.string() });

const placeOf = (id: string) => `oauth_records:RefreshToken:${id}`;
/** An answer is good for whoever asked for the same. */
const askedOf = ({ oidc: { params = {} } }: GrantContext) =>
  JSON.stringify([params.scope ?? '', params.resource ?? '']);

function noteOf({ sealer }: TokenWritesDeps, { grant, consumed, inserted }: Pending, ctx: GrantContext) {
  const used = consumed[0];
  const next = inserted.find(({ model }) => model === 'RefreshToken');
  if (grant !== 'refresh_token' || !used || !next) return undefined;
  return {
    next: next.id,
    sealed: sealer.seal(placeOf(used.id), JSON.stringify({ asked: askedOf(ctx), body: ctx.body })),
  };
}

/** undefined: too late, or somebody went on from it. Throws `invalid_grant` where something else was asked for. */
async function findAnswer({ db, sealer, clock }: TokenWritesDeps, { consumed }: Pending, ctx: GrantContext) {
  const id = consumed[0]?.id ?? '';
  const note = noted.safeParse(await findNote(db, { model: 'RefreshToken', id, sinceMs: clock.now() - graceMs }));
  const opened = note.success ? sealer.open(placeOf(id), note.data.sealed) : undefined;
  if (opened === undefined) return undefined;
  const { asked, body } = answered.parse(JSON.parse(opened));
  // Parallel refreshes for two resources: no theft, and no answer to give.
  if (asked !== askedOf(ctx)) throw new errors.InvalidGrant('already used: go on with its successor');
  return body;
}
