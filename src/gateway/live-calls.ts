/**
 * Calls and streams that are open now. When something changes about a caller, theirs are judged anew and cut when they
 * would no longer be let in: a revocation ends what is under way, not only what comes next (SECURITY B11).
 */
import type { Clock } from '#core/clock.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { type Caller, idsOf } from './identify.ts';

export interface LiveCall {
  readonly caller: Caller;
  /** undefined: not let in anywhere yet. */
  organization(): OrgId | undefined;
  /** The row of the person, once it is known, whoever's token they came with. */
  user?(): string | undefined;
  /** Asks the rooms again. Rejects with what the caller would be told now. */
  judge(): Promise<void>;
  cut(error: GatehouseError): void;
  /** For whoever looks at what is open; undefined: nothing that is shown. */
  shown?(): ShownCall;
}

export interface ShownCall {
  readonly id: string;
  readonly kind: 'call' | 'stream';
  readonly endpoint: string | undefined;
  /** Unix milliseconds. */
  readonly at: number;
}

export interface OpenCall extends ShownCall {
  /** The row of the person; undefined: a key, or a program. */
  readonly user: string | undefined;
  /** What the trail knows the caller by. */
  readonly subject: string;
  readonly client: string | undefined;
}

export interface LiveCalls {
  /** The answer takes it out again. */
  add(call: LiveCall): () => void;
  /** Those that the change concerns are judged anew. Caches must have heard of it before. */
  hear(change: Change): void;
  /** What an organization has or allows was renewed: its open calls are judged by that. */
  renewed(organization: OrgId): void;
  readonly size: number;
  /** Of one organization, at this replica. */
  list(organization: OrgId): readonly OpenCall[];
  /** Those of an organization are cut that are named. How many. */
  end(organization: OrgId, isMeant: (call: OpenCall) => boolean): number;
  close(): void;
}

/** Between two attempts to judge those that couldn't be: doubled as long as it goes on. */
const retryMs = { first: 500, longest: 8000 } as const;
const MAX_AT_ONCE = 16;
/** SECURITY 3.7: of whoever nothing is announced, what was found out is believed for this long. */
const SWEEP_MS = 60_000;

/** Changes that are about no caller. */
const callerless: ReadonlySet<Change['kind']> = new Set([
  'session',
  'session-state',
  'cancelled',
  'signing-key',
  'organization',
]);

interface Place {
  readonly call: LiveCall;
  at: number;
}

export function openLiveCalls({
  log,
  clock,
  sweepMs = SWEEP_MS,
}: {
  readonly log: Log;
  readonly clock: Clock;
  readonly sweepMs?: number;
}): LiveCalls {
  /**
   * Places in an array, the last one moving into whichever gets free. Not a Set: one that is added to and deleted from all
   * the time leaves a trail of outgrown tables, each of which keeps the next one, and the calls in it, from being collected.
   */
  const live: Place[] = [];
  const due = new Set<Place>();
  /** As due, but nothing is known to have changed: after the others, and not again before the next round. */
  const routine = new Set<Place>();
  const waiting = new Set<Place>();
  let working = 0;
  let retry: NodeJS.Timeout | undefined;
  let pauseMs: number = retryMs.first;
  let closed = false;

  const isLive = (place: Place) => live[place.at] === place;

  /** Once or more often. */
  function leave(place: Place): void {
    if (!isLive(place)) return;
    const last = live.pop();
    if (!last || last === place) return;
    last.at = place.at;
    live[last.at] = last;
  }

  async function judge(place: Place, isRoutine: boolean): Promise<void> {
    try {
      await place.call.judge();
      pauseMs = retryMs.first;
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      if (error.row.http < 500) {
        if (isLive(place)) place.call.cut(error);
        return;
      }
      // Who can't be judged now stays, and is judged as soon as it can be done.
      log.warn({ err: error }, 'an open call cannot be judged anew yet');
      if (!isRoutine) tryLater(place);
    }
  }

  function tryLater(place: Place): void {
    if (closed || !isLive(place)) return;
    waiting.add(place);
    retry ??= setTimeout(() => {
      retry = undefined;
      pauseMs = Math.min(2 * pauseMs, retryMs.longest);
      for (const one of waiting) due.add(one);
      waiting.clear();
      work();
    }, pauseMs).unref();
  }

  function work(): void {
    for (const set of [due, routine]) {
      for (const place of set) {
        if (working >= MAX_AT_ONCE || closed) return;
        set.delete(place);
        if (!isLive(place)) continue;
        working++;
        judge(place, set === routine)
          .catch((error) => log.error({ err: error }, 'an open call could not be cut'))
          .finally(() => {
            working--;
            work();
          });
      }
    }
  }

  const sweep = setInterval(() => {
    for (const place of live) if (isUnheard(place.call.caller, clock.now())) routine.add(place);
    work();
  }, sweepMs).unref();

  return {
    add(call) {
      const place: Place = { call, at: live.length };
      live.push(place);
      return () => {
        leave(place);
        due.delete(place);
        routine.delete(place);
        waiting.delete(place);
      };
    },
    hear(change) {
      if (callerless.has(change.kind)) return;
      const id = change.kind === 'everything' ? undefined : `${change.kind}:${change.id}`;
      const user = change.kind === 'user' ? change.id : undefined;
      const concerns = ({ call }: Place) =>
        idsOf(call.caller).includes(id ?? '') || (user !== undefined && call.user?.() === user);
      for (const place of live) if (id === undefined || concerns(place)) due.add(place);
      work();
    },
    renewed(organization) {
      for (const place of live) if (place.call.organization() === organization) due.add(place);
      work();
    },
    get size() {
      return live.length;
    },
    list: (organization) => openIn(live, organization).map(({ open }) => open),
    end(organization, isMeant) {
      const meant = openIn(live, organization).filter(({ open }) => isMeant(open));
      for (const { call } of meant) call.cut(new GatehouseError('session_unknown'));
      return meant.length;
    },
    close() {
      closed = true;
      clearTimeout(retry);
      clearInterval(sweep);
    },
  };
}

function openIn(live: readonly Place[], organization: OrgId) {
  return live.flatMap(({ call }) => {
    const shown = call.organization() === organization ? call.shown?.() : undefined;
    if (!shown) return [];
    const { principal, userId } = call.caller;
    const client = principal.kind === 'user' ? principal.claims.client_id : undefined;
    const open: OpenCall = {
      ...shown,
      user: call.user?.() ?? userId,
      subject: principal.kind === 'user' ? principal.subject : principal.keyId,
      client: typeof client === 'string' ? client : undefined,
    };
    return [{ call, open }];
  });
}

/**
 * Tokens of others: nobody tells us when one of them, or what its holder may do, comes to an end before its time. A call may
 * last longer than the token that it came with.
 */
function isUnheard({ principal, tokenId }: Caller, now: number): boolean {
  return principal.kind === 'user' && tokenId === undefined && principal.expiresAt > now;
}
