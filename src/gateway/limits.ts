/** How much one caller, one organization and one stranger's address may ask: rates through the limiter port, concurrency counted here. */
import type { Limiter } from '#adapters/limiter/limiter.ts';
import { openConcurrency } from '#core/concurrency.ts';
import { GatehouseError } from '#core/error.ts';

export interface CallLimits {
  readonly perPrincipalPerMinute: number;
  readonly perOrganizationPerMinute: number;
  /** Failed sign-ins by address (IPv6: by /64). */
  readonly perStrangerPerMinute: number;
  /** Requests to the OAuth endpoints from one address. */
  readonly signInPerAddressPerMinute: number;
  readonly concurrentPerPrincipal: number;
  readonly concurrentPerOrganization: number;
  readonly streamsPerPrincipal: number;
  readonly streamsPerOrganization: number;
}

export interface Limits {
  /** Before anything is looked up for the caller, refused calls included. Throws or rejects `rate_limited`. */
  takePrincipal(principal: string): void | Promise<void>;
  /** Once it is known to be the caller's. Throws or rejects `rate_limited`. */
  takeOrganization(org: string): void | Promise<void>;
  /** Counts a failed sign-in. Throws or rejects `rate_limited` once there were too many. */
  takeStranger(address: string): void | Promise<void>;
  /** Counts a request to the OAuth endpoints. Throws or rejects `rate_limited` once there were too many. */
  takeSignIn(address: string): void | Promise<void>;
  /** A place among the concurrent calls or streams; the answer gives it back. Throws `too_many_calls`. */
  enter(kind: 'call' | 'stream', principal: string, org: string): () => void;
  readonly active: { calls: number; streams: number };
}

export function openLimits(limits: CallLimits, limiter: Limiter): Limits {
  const slots = openConcurrency();
  const active = { calls: 0, streams: 0 };

  function takeOne(key: string, points: number): void | Promise<void> {
    const answer = limiter.take(key, { points, windowSeconds: 60 });
    return answer instanceof Promise ? answer.then(refuseOver) : refuseOver(answer);
  }

  return {
    active,
    takePrincipal: (principal) => takeOne(`p:${principal}`, limits.perPrincipalPerMinute),
    takeOrganization: (org) => takeOne(`o:${org}`, limits.perOrganizationPerMinute),
    takeStranger: (address) => takeOne(`ip:${address}`, limits.perStrangerPerMinute),
    takeSignIn: (address) => takeOne(`oauth:${address}`, limits.signInPerAddressPerMinute),
    enter(kind, principal, org) {
      const ofPrincipal = kind === 'call' ? limits.concurrentPerPrincipal : limits.streamsPerPrincipal;
      const ofOrganization = kind === 'call' ? limits.concurrentPerOrganization : limits.streamsPerOrganization;
      const leavePrincipal = slots.acquire(`${kind}:p:${principal}`, ofPrincipal);
      const leaveOrganization = leavePrincipal && slots.acquire(`${kind}:o:${org}`, ofOrganization);
      if (!leaveOrganization) {
        leavePrincipal?.();
        throw new GatehouseError('too_many_calls', { retryAfterSeconds: 1 });
      }
      const gauge = kind === 'call' ? 'calls' : 'streams';
      active[gauge]++;
      return () => {
        active[gauge]--;
        leavePrincipal();
        leaveOrganization();
      };
    },
  };
}

function refuseOver({ allowed, resetMs }: { readonly allowed: boolean; readonly resetMs: number }): void {
  if (!allowed) throw new GatehouseError('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(resetMs / 1000)) });
}
