/**
 * How many calls one organization has under way at one server (SECURITY 3.5): a server that hangs, or an organization that
 * floods it, takes up only its own places. A few more wait, for a short while, in the order in which they came.
 */
import { GatehouseError } from '#core/error.ts';
import type { OrgId, ServerId } from '#core/ids.ts';

export interface BulkheadSettings {
  readonly places: number;
  readonly queue: number;
  readonly waitMs: number;
}

export interface Bulkheads {
  /** The answer gives the place back, once whatever often it is called. A value if there is one free; throws or rejects `upstream_busy`. */
  enter(org: OrgId, server: ServerId): (() => void) | Promise<() => void>;
  /** Calls that wait for a place. */
  readonly waiting: number;
  /** Of all organizations. */
  at(server: ServerId): { readonly underWay: number; readonly waiting: number };
}

interface Bulkhead {
  taken: number;
  readonly queue: Waiter[];
}

interface Waiter {
  readonly go: (leave: () => void) => void;
}

const busy = () => new GatehouseError('upstream_busy', { retryAfterSeconds: 1, limit: 'server: places' });

export function openBulkheads({ places, queue, waitMs }: BulkheadSettings): Bulkheads {
  const bulkheads = new Map<string, Bulkhead>();
  let waiting = 0;

  function leaveOf(name: string, bulkhead: Bulkhead): () => void {
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      const next = bulkhead.queue.shift();
      if (next) return next.go(leaveOf(name, bulkhead));
      bulkhead.taken--;
      if (bulkhead.taken === 0) bulkheads.delete(name);
    };
  }

  function wait(bulkhead: Bulkhead): Promise<() => void> {
    waiting++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        waiting--;
        bulkhead.queue.splice(bulkhead.queue.indexOf(waiter), 1);
        reject(busy());
      }, waitMs);
      const waiter: Waiter = {
        go(leave) {
          waiting--;
          clearTimeout(timer);
          resolve(leave);
        },
      };
      bulkhead.queue.push(waiter);
    });
  }

  return {
    enter(org, server) {
      const name = `${org}${server}`;
      const bulkhead = bulkheads.get(name) ?? { taken: 0, queue: [] };
      if (bulkhead.taken < places) {
        if (bulkhead.taken++ === 0) bulkheads.set(name, bulkhead);
        return leaveOf(name, bulkhead);
      }
      if (bulkhead.queue.length >= queue) throw busy();
      return wait(bulkhead);
    },
    get waiting() {
      return waiting;
    },
    at(server) {
      const sum = { underWay: 0, waiting: 0 };
      for (const [name, { taken, queue }] of bulkheads) {
        if (!name.endsWith(server)) continue;
        sum.underWay += taken;
        sum.waiting += queue.length;
      }
      return sum;
    },
  };
}
