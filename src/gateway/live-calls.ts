/**
 * Calls and streams that are open now. When something changes about a caller, theirs are judged anew and cut when they
 * would no longer be let in: a revocation ends what is under way, not only what comes next (SECURITY B11).
 */
import { asGatehouseError, type GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { type Caller, idsOf } from './identify.ts';

export interface LiveCall {
  readonly caller: Caller;
  /** Asks the rooms again. Rejects with what the caller would be told now. */
  judge(): Promise<void>;
  cut(error: GatehouseError): void;
}

export interface LiveCalls {
  /** The answer takes it out again. */
  add(call: LiveCall): () => void;
  /** Those that the change concerns are judged anew. Caches must have heard of it before. */
  hear(change: Change): void;
  readonly size: number;
  close(): void;
}

interface Place {
  readonly call: LiveCall;
  at: number;
}

const RETRY_MS = 500;
const MAX_AT_ONCE = 16;

export function openLiveCalls({ log }: { readonly log: Log }): LiveCalls {
  /**
   * Places in an array, the last one moving into whichever gets free. Not a Set: one that is added to and deleted from all
   * the time leaves a trail of outgrown tables, each of which keeps the next one, and the calls in it, from being collected.
   */
  const live: Place[] = [];
  const due = new Set<LiveCall>();
  let working = 0;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

  const isLive = (call: LiveCall) => live.some((place) => place.call === call);

  /** Once or more often. */
  function leave(place: Place): void {
    if (live[place.at] !== place) return;
    const last = live.pop();
    if (!last || last === place) return;
    last.at = place.at;
    live[last.at] = last;
  }

  async function judge(call: LiveCall): Promise<void> {
    try {
      await call.judge();
    } catch (thrown) {
      const error = asGatehouseError(thrown);
      // Who can't be judged now stays, and is judged as soon as it can be done.
      if (error.row.http >= 500) {
        log.warn({ err: error }, 'an open call cannot be judged anew yet');
        due.add(call);
        retry ??= setTimeout(() => {
          retry = undefined;
          work();
        }, RETRY_MS).unref();
      } else if (isLive(call)) call.cut(error);
    }
  }

  function work(): void {
    for (const call of due) {
      if (working >= MAX_AT_ONCE || closed || retry) return;
      due.delete(call);
      if (!isLive(call)) continue;
      working++;
      judge(call)
        .catch((error) => log.error({ err: error }, 'an open call could not be cut'))
        .finally(() => {
          working--;
          work();
        });
    }
  }

  return {
    add(call) {
      const place: Place = { call, at: live.length };
      live.push(place);
      return () => {
        leave(place);
        due.delete(call);
      };
    },
    hear(change) {
      if (change.kind === 'session' || change.kind === 'signing-key' || change.kind === 'organization') return;
      const id = change.kind === 'everything' ? undefined : `${change.kind}:${change.id}`;
      for (const { call } of live) if (id === undefined || idsOf(call.caller).includes(id)) due.add(call);
      work();
    },
    get size() {
      return live.length;
    },
    close() {
      closed = true;
      clearTimeout(retry);
    },
  };
}
