/**
 * How much one caller, one organization and one stranger's address may ask: rates through the limiter port, and how much
 * at once, counted here. What an organization decided for itself (`limit-rules.ts`) comes on top.
 */
import type { Limit, LimitAnswer, Limiter } from '#adapters/limiter/limiter.ts';
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

const perMinute = (points: number): Limit => ({ points, windowSeconds: 60 });

export function openLimits(limits: CallLimits, limiter: Limiter): Limits {
  const slots = openConcurrency();
  const perPrincipal = perMinute(limits.perPrincipalPerMinute);
  const perOrganization = perMinute(limits.perOrganizationPerMinute);
  const perStranger = perMinute(limits.perStrangerPerMinute);
  const signInPerAddress = perMinute(limits.signInPerAddressPerMinute);
  const active = { calls: 0, streams: 0 };

  function refuse(resetMs: number): never {
    const { retryAfterSeconds = Math.max(1, Math.ceil(resetMs / 1000)) } = limits;
    throw new GatehouseError('rate_limited', { retryAfterSeconds });
  }

  function refuseOver({ allowed, resetMs }: LimitAnswer): undefined {
    if (!allowed) refuse(resetMs);
  }

  function takeOne(key: string, limit: Limit): undefined | Promise<undefined> {
    if (!limits.enabled) return;
    const answer = limiter.take(key, limit);
    return answer instanceof Promise ? answer.then(refuseOver) : refuseOver(answer);
  }

  function hold(wanted: readonly { readonly key: string; readonly limit: number }[]): Held {
    if (wanted.length === 0) return undefined;
    const held: (() => void)[] = [];
    const release = () => {
      for (const leave of held) leave();
    };
    for (const { key, limit } of wanted) {
      const leave = slots.acquire(key, limit);
      if (!leave) {
        release();
        throw new GatehouseError('too_many_calls', { retryAfterSeconds: 1 });
      }
      held.push(leave);
    }
    return release;
  }

  /** Places first: whoever finds none has used up nothing else. */
  function takeRules(
    asker: Asker,
    target: RuleTarget | undefined,
    { isCall, limit }: { readonly isCall: boolean; readonly limit: Limit | undefined },
  ): Held | Promise<Held> {
    const { charges, places } = findRules(asker, target);
    const held = isCall ? hold(places) : undefined;
    const all = limit ? [{ key: `o:${asker.organization.id}`, limit }, ...charges] : charges;
    if (!limits.enabled || all.length === 0) return held;
    const settle = ({ allowed, resetMs }: LimitAnswer) => {
      if (allowed) return held;
      held?.();
      return refuse(resetMs);
    };
    const answer = limiter.takeAll(all);
    return answer instanceof Promise ? answer.then(settle) : settle(answer);
  }

  return {
    active,
    takePrincipal: (principal) => takeOne(`p:${principal}`, perPrincipal),
    takeOrganization: (asker, isCall) =>
      asker.organization.limits.length === 0
        ? takeOne(`o:${asker.organization.id}`, perOrganization)
        : takeRules(asker, undefined, { isCall, limit: perOrganization }),
    takeServer: (asker, target) =>
      asker.organization.limits.length === 0 ? undefined : takeRules(asker, target, { isCall: true, limit: undefined }),
    takeStranger: (address) => takeOne(`ip:${address}`, perStranger),
    takeSignIn: (address) => takeOne(`oauth:${address}`, signInPerAddress),
    enter(kind, principal, org) {
      const isCall = kind === 'call';
      const gauge = isCall ? 'calls' : 'streams';
      const ofPrincipal = isCall ? limits.concurrentPerPrincipal : limits.streamsPerPrincipal;
      const ofOrganization = isCall ? limits.concurrentPerOrganization : limits.streamsPerOrganization;
      const leavePrincipal = slots.acquire(`${kind}:p:${principal}`, ofPrincipal);
      const leaveOrganization = leavePrincipal && slots.acquire(`${kind}:o:${org}`, ofOrganization);
      const leaveReplica =
        isCall || !leaveOrganization ? leaveOrganization : slots.acquire('streams', limits.streamsPerReplica);
      if (!leavePrincipal || !leaveOrganization || !leaveReplica) {
        leavePrincipal?.();
        leaveOrganization?.();
        throw new GatehouseError('too_many_calls', { retryAfterSeconds: 1 });
      }
      active[gauge]++;
      return () => {
        active[gauge]--;
        leavePrincipal();
        leaveOrganization();
        // Of a call it is the organization's again, and a place is given back once.
        leaveReplica();
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
