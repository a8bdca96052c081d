/**
 * How much one caller, one organization and one stranger's address may ask: rates through the limiter port, and how much
 * at once, counted here. What an organization decided for itself (`limit-rules.ts`) comes on top.
 */
import type { Limiter } from '#adapters/limiter/limiter.ts';
import { openConcurrency } from '#core/concurrency.ts';
import { GatehouseError } from '#core/error.ts';
import { type Asker, findRules, type RuleTarget } from './limit-rules.ts';

export interface CallLimits {
  /** False: rates are not counted; how much at once is. */
  readonly enabled: boolean;
  readonly perPrincipalPerMinute: number;
  readonly perOrganizationPerMinute: number;
  /** Failed sign-ins by address (IPv6: by /64). */
  readonly perStrangerPerMinute: number;
  /** Requests to the OAuth endpoints from one address. */
  readonly signInPerAddressPerMinute: number;
  /** What `Retry-After` always says; undefined: when it makes sense to. */
  readonly retryAfterSeconds: number | undefined;
  readonly concurrentPerPrincipal: number;
  readonly concurrentPerOrganization: number;
  readonly streamsPerPrincipal: number;
  readonly streamsPerOrganization: number;
  readonly streamsPerReplica: number;
}

/** Gives places back; undefined: none was taken. */
export type Held = (() => void) | undefined;

export interface LimitStats {
  readonly keys: number;
  readonly perPrincipalPerMinute: number;
  readonly perAddressPerMinute: number;
  readonly enabled: boolean;
}

export interface Limits {
  /** Before anything is looked up for the caller, refused calls included. Throws or rejects `rate_limited`. */
  takePrincipal(principal: string): void | Promise<void>;
  /**
   * Once they are let in: the organization's count, and its rules about all calls. `isCall`: one that rules about calls at
   * once are about. Throws or rejects `rate_limited`, `too_many_calls`.
   */
  takeOrganization(asker: Asker, isCall: boolean): Held | Promise<Held>;
  /** Once server and tool are known: the organization's rules about them. Throws or rejects as above. */
  takeServer(asker: Asker, target: RuleTarget): Held | Promise<Held>;
  /** Counts a failed sign-in. Throws or rejects `rate_limited` once there were too many. */
  takeStranger(address: string): void | Promise<void>;
  /** Counts a request to the OAuth endpoints. Throws or rejects `rate_limited` once there were too many. */
  takeSignIn(address: string): void | Promise<void>;
  /** A place among the concurrent calls or streams; the answer gives it back. Throws `too_many_calls`. */
  enter(kind: 'call' | 'stream', principal: string, org: string): () => void;
  readonly active: { calls: number; streams: number };
  /** REQUIREMENTS S3.8. */
  stats(): Promise<LimitStats>;
}

export function openLimits(limits: CallLimits, limiter: Limiter): Limits {
  const slots = openConcurrency();
  const active = { calls: 0, streams: 0 };

  function refuse(resetMs: number, limit: string): never {
    const { retryAfterSeconds = Math.max(1, Math.ceil(resetMs / 1000)) } = limits;
    throw new GatehouseError('rate_limited', { retryAfterSeconds, limit: `${limit}: rate` });
  }

  function takeOne(key: string, points: number, name: string): void | Promise<void> {
    if (!limits.enabled) return;
    const refuseOver = ({ allowed, resetMs }: { readonly allowed: boolean; readonly resetMs: number }) => {
      if (!allowed) refuse(resetMs, name);
    };
    const answer = limiter.take(key, { points, windowSeconds: 60 });
    return answer instanceof Promise ? answer.then(refuseOver) : refuseOver(answer);
  }

  function hold(wanted: readonly { readonly key: string; readonly limit: number }[], name: string): Held {
    if (wanted.length === 0) return undefined;
    const held: (() => void)[] = [];
    const release = () => {
      for (const leave of held) leave();
    };
    for (const { key, limit } of wanted) {
      const leave = slots.acquire(key, limit);
      if (!leave) {
        release();
        throw new GatehouseError('too_many_calls', { retryAfterSeconds: 1, limit: `${name}: at once` });
      }
      held.push(leave);
    }
    return release;
  }

  /** Places first: whoever finds none has used up nothing else. */
  function takeRules(
    asker: Asker,
    target: RuleTarget | undefined,
    { isCall, points }: { readonly isCall: boolean; readonly points: number | undefined },
  ): Held | Promise<Held> {
    const { charges, places } = findRules(asker, target);
    const name = target ? 'server' : 'organization';
    const held = isCall ? hold(places, name) : undefined;
    const all =
      points === undefined
        ? charges
        : [{ key: `o:${asker.organization.id}`, limit: { points, windowSeconds: 60 } }, ...charges];
    if (!limits.enabled || all.length === 0) return held;
    const settle = ({ allowed, resetMs }: { readonly allowed: boolean; readonly resetMs: number }) => {
      if (allowed) return held;
      held?.();
      return refuse(resetMs, name);
    };
    const answer = limiter.takeAll(all);
    return answer instanceof Promise ? answer.then(settle) : settle(answer);
  }

  return {
    active,
    takePrincipal: (principal) => takeOne(`p:${principal}`, limits.perPrincipalPerMinute, 'caller'),
    takeOrganization: (asker, isCall) =>
      takeRules(asker, undefined, { isCall, points: limits.perOrganizationPerMinute }),
    takeServer: (asker, target) =>
      asker.organization.limits.length === 0
        ? undefined
        : takeRules(asker, target, { isCall: true, points: undefined }),
    takeStranger: (address) => takeOne(`ip:${address}`, limits.perStrangerPerMinute, 'address'),
    takeSignIn: (address) => takeOne(`oauth:${address}`, limits.signInPerAddressPerMinute, 'address'),
    enter(kind, principal, org) {
      const isCall = kind === 'call';
      const gauge = isCall ? 'calls' : 'streams';
      const leave = hold(
        [
          {
            key: `${kind}:p:${principal}`,
            limit: isCall ? limits.concurrentPerPrincipal : limits.streamsPerPrincipal,
          },
          {
            key: `${kind}:o:${org}`,
            limit: isCall ? limits.concurrentPerOrganization : limits.streamsPerOrganization,
          },
          ...(isCall ? [] : [{ key: 'streams', limit: limits.streamsPerReplica }]),
        ],
        `${kind}s`,
      );
      active[gauge]++;
      return () => {
        active[gauge]--;
        leave?.();
      };
    },
    async stats() {
      const { keys } = await limiter.stats();
      const { enabled, perPrincipalPerMinute, perStrangerPerMinute } = limits;
      return { keys, enabled, perPrincipalPerMinute, perAddressPerMinute: perStrangerPerMinute };
    },
  };
}

/** Both are given back together. */
export function joinHeld(one: Held, other: Held): Held {
  if (!one || !other) return one ?? other;
  return () => {
    one();
    other();
  };
}
