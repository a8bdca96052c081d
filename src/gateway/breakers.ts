/**
 * An upstream that fails is left alone for a while: calls to it fail at once instead of waiting for what isn't there
 * (SECURITY 3.5). Per organization and server, since another one's credential or network path may still work. Only
 * failures of transport count (no connection, no answer in time, 5xx, garbage): an error that a tool reports is an answer.
 */
import type { Clock } from '#core/clock.ts';
import { type ErrorCode, GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Outcome } from './relay.ts';

export interface BreakerSettings {
  /** Failures in a row that open it; */
  readonly consecutiveFailures: number;
  /** or this share of the calls in a window, where there were enough of them. */
  readonly failurePercent: number;
  readonly minimumCalls: number;
  readonly windowMs: number;
  /** How long it stays open: at first, doubled each time a probe fails, and at most. */
  readonly openMs: number;
  readonly openMaxMs: number;
}

export type Pass = 'usual' | 'probe';
/** One call that was let through. */
export interface Asking {
  readonly pass: Pass;
  readonly org: OrgId;
  /** `lineOf`. */
  readonly server: string;
}

export type Verdict = 'answered' | 'failed' | 'unknown';

export interface Breakers {
  /**
   * Throws `upstream_unreachable` while it is open; when its time is up one call goes through, to see. What became of the
   * call is to be reported with the pass that it got.
   */
  admit(org: OrgId, server: string): Pass;
  /** `unknown`: the caller left, or it was cut. `reason`: an error's code, or a status. */
  report(asking: Asking, verdict: Verdict, reason?: Reason): void;
  /** What somebody who asked the server by himself found: it is open, or closed, from now on. */
  mark(org: OrgId, server: string, isWell: boolean): void;
  isOpen(org: OrgId, server: string): boolean;
  /** How many are open now, */
  readonly open: number;
  /** and which. */
  list(): readonly OpenBreaker[];
}

export interface OpenBreaker {
  readonly org: OrgId;
  readonly server: string;
  /** A call is through to see whether it is well again. */
  readonly isTried: boolean;
  /** Milliseconds until one may. */
  readonly leftMs: number;
}

export type Reason = ErrorCode | number;

interface Breaker {
  inARow: number;
  calls: number;
  failures: number;
  windowStartedAt: number;
  /** 0: closed. Monotonic milliseconds. */
  openUntil: number;
  openForMs: number;
  probing: boolean;
}

export function openBreakers(deps: {
  readonly settings: BreakerSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Hears what became of every call. */
  readonly onReport?: (org: OrgId, server: string, verdict: Verdict, reason: Reason | undefined) => void;
}): Breakers {
  const { settings, clock, log, onReport } = deps;
  /** Only of upstreams that failed lately: the others cost one look-up. */
  const breakers = new Map<string, Map<OrgId, Breaker>>();
  const find = (org: OrgId, server: string) => breakers.get(server)?.get(org);

  function make(org: OrgId, server: string): Breaker {
    const made: Breaker = {
      inARow: 0,
      calls: 0,
      failures: 0,
      windowStartedAt: clock.monotonic(),
      openUntil: 0,
      openForMs: settings.openMs,
      probing: false,
    };
    const ofServer = breakers.get(server) ?? new Map<OrgId, Breaker>();
    breakers.set(server, ofServer.set(org, made));
    return made;
  }

  function remove(org: OrgId, server: string): void {
    const ofServer = breakers.get(server);
    ofServer?.delete(org);
    if (ofServer?.size === 0) breakers.delete(server);
  }

  function trip(breaker: Breaker, org: OrgId, server: string): void {
    if (breaker.openUntil > 0) breaker.openForMs = Math.min(breaker.openForMs * 2, settings.openMaxMs);
    breaker.openUntil = clock.monotonic() + breaker.openForMs;
    log.warn({ org, server, forMs: breaker.openForMs }, 'an upstream fails: its calls are refused for a while');
  }

  function close(org: OrgId, server: string): void {
    remove(org, server);
    log.info({ org, server }, 'an upstream answers again');
  }

  function countFailure(breaker: Breaker): boolean {
    breaker.inARow++;
    breaker.failures++;
    const often =
      breaker.calls >= settings.minimumCalls && breaker.failures * 100 >= breaker.calls * settings.failurePercent;
    return breaker.inARow >= settings.consecutiveFailures || often;
  }

  return {
    admit(org, server) {
      const breaker = find(org, server);
      if (!breaker || breaker.openUntil === 0) return 'usual';
      const leftMs = breaker.openUntil - clock.monotonic();
      if (leftMs <= 0 && !breaker.probing) {
        breaker.probing = true;
        return 'probe';
      }
      throw new GatehouseError('upstream_unreachable', { retryAfterSeconds: Math.max(1, Math.ceil(leftMs / 1000)) });
    },
    report({ pass, org, server }, verdict, reason) {
      onReport?.(org, server, verdict, reason);
      const known = find(org, server);
      if (!known && verdict !== 'failed') return;
      const breaker = known ?? make(org, server);
      if (breaker.openUntil > 0) {
        // Whatever was under way when it opened says nothing of now.
        if (pass !== 'probe') return;
        breaker.probing = false;
        if (verdict === 'failed') trip(breaker, org, server);
        else if (verdict === 'answered') close(org, server);
        return;
      }
      if (verdict === 'unknown') return;
      if (clock.monotonic() - breaker.windowStartedAt > settings.windowMs) {
        breaker.windowStartedAt = clock.monotonic();
        breaker.calls = 0;
        breaker.failures = 0;
      }
      breaker.calls++;
      if (verdict === 'failed') {
        if (countFailure(breaker)) trip(breaker, org, server);
      } else {
        breaker.inARow = 0;
        if (breaker.failures === 0) remove(org, server);
      }
    },
    mark(org, server, isWell) {
      const known = find(org, server);
      if (!isWell) trip(known ?? make(org, server), org, server);
      else if (known && known.openUntil > 0) close(org, server);
    },
    isOpen: (org, server) => (find(org, server)?.openUntil ?? 0) > 0,
    get open() {
      let count = 0;
      for (const ofServer of breakers.values())
        for (const { openUntil } of ofServer.values()) if (openUntil > 0) count++;
      return count;
    },
    list: () =>
      [...breakers].flatMap(([server, ofServer]) =>
        [...ofServer].flatMap(([org, { openUntil, probing }]) => {
          if (openUntil === 0) return [];
          return { org, server, isTried: probing, leftMs: Math.max(0, openUntil - clock.monotonic()) };
        }),
      ),
  };
}

const failures: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'upstream_unreachable',
  'upstream_timeout',
  'upstream_broken',
]);

/** Of a call that an upstream was asked for. */
export function verdictOf({ status, error }: Outcome): Verdict {
  if (error === undefined) return status >= 500 ? 'failed' : 'answered';
  if (error === 'client_gone') return 'unknown';
  if (error.code === 'upstream_refused') return 'answered';
  return failures.has(error.code) ? 'failed' : 'unknown';
}

/** Why it failed, where it did. */
export const reasonOf = ({ status, error }: Outcome): Reason | undefined =>
  error === undefined ? status : error === 'client_gone' ? undefined : error.code;
