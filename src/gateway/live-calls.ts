/**
 * Calls and streams that are open now. When something changes about a caller, theirs are judged anew and cut when they
 * would no longer be let in: a revocation ends what is under way, not only what comes next (SECURITY B11).
 */
import { asGatehouseError, type GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Change } from '#db/change-feed.ts';
import { type Caller, idsOf } from './identify.ts';

export interface LiveCall {
  readonly caller: Caller;
  /** undefined: not let in anywhere yet. */
  organization(): OrgId | undefined;
  /** Asks the rooms again. Rejects with what the caller would be told now. */
  judge(): Promise<void>;
  cut(error: GatehouseError): void;
}

export interface LiveCalls {
  /** The answer takes it out again. */
  add(call: LiveCall): () => void;
  /** Those that the change concerns are judged anew. Caches must have heard of it before. */
  hear(change: Change): void;
  /** What an organization has or allows was renewed: its open calls are judged by that. */
  renewed(organization: OrgId): void;
  readonly size: number;
  close(): void;
}

const RETRY_MS = 500;
const MAX_AT_ONCE = 16;

export function openLiveCalls({ log }: { readonly log: Log }): LiveCalls {
  const live = new Set<LiveCall>();
  const due = new Set<LiveCall>();
  let working = 0;
  let retry: NodeJS.Timeout | undefined;
  let closed = false;

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
      } else if (live.has(call)) call.cut(error);
    }
  }

  function work(): void {
    for (const call of due) {
      if (working >= MAX_AT_ONCE || closed || retry) return;
      due.delete(call);
      if (!live.has(call)) continue;
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
      live.add(call);
      return () => {
        live.delete(call);
        due.delete(call);
      };
    },
    hear(change) {
      if (change.kind === 'session' || change.kind === 'signing-key' || change.kind === 'organization') return;
      const id = change.kind === 'everything' ? undefined : `${change.kind}:${change.id}`;
      for (const call of live) if (id === undefined || idsOf(call.caller).includes(id)) due.add(call);
      work();
    },
    renewed(organization) {
      for (const call of live) if (call.organization() === organization) due.add(call);
      work();
    },
    get size() {
      return live.size;
    },
    close() {
      closed = true;
      clearTimeout(retry);
    },
  };
}
