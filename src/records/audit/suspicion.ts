/**
 * What looks like an attack, told from what happens anyway: too much of the same within ten minutes by one address, account
 * or caller. Each finding is said once in that time. Bounded memory: of very many, the longest silent are forgotten.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import type { CallRecord } from '#records/call-record.ts';
import type { AuditEvent } from './event.ts';

export const suspicions = [
  'failures.address',
  'failures.account',
  'token.addresses',
  'token.reused',
  'scope.probing',
  'organization.probing',
] as const;
export type Suspicion = (typeof suspicions)[number];

/** So many within ten minutes. */
export interface SuspicionThresholds {
  readonly failuresPerAddress: number;
  readonly failuresPerAccount: number;
  readonly addressesPerToken: number;
  readonly scopeRefusals: number;
  readonly unknownOrganizations: number;
}

export interface Detector {
  /** Of every record, once it is over. Never throws. */
  hear(record: CallRecord): void;
}

export interface DetectorDeps {
  readonly thresholds: SuspicionThresholds;
  readonly clock: Clock;
  readonly report: (what: Suspicion, event: AuditEvent) => void;
}

const windowMs = 600_000;
const kept = 20_000;

const scopeReasons: ReadonlySet<string> = new Set(['insufficient_scope', 'role_denied', 'policy_denied', 'forbidden']);
const unknownReasons: ReadonlySet<string> = new Set(['unknown_endpoint', 'not_member', 'not_enabled']);
const badTokens: ReadonlySet<string> = new Set(['invalid_token', 'invalid_dpop_proof']);

interface Window {
  readonly since: number;
  /** Different ones, or all of them where there is nothing to tell them apart. */
  readonly seen: Set<string>;
  isSaid: boolean;
}

export function openDetector({ thresholds, clock, report }: DetectorDeps): Detector {
  const windows = new LRUCache<string, Window>({ max: kept });

  function count(what: Suspicion, who: string, thing: string, most: number): boolean {
    const key = `${what} ${who}`;
    const now = clock.monotonic();
    let window = windows.get(key);
    if (!window || now - window.since > windowMs) {
      window = { since: now, seen: new Set(), isSaid: false };
      windows.set(key, window);
    }
    if (window.isSaid) return false;
    window.seen.add(thing);
    if (window.seen.size <= most) return false;
    window.isSaid = true;
    window.seen.clear();
    return true;
  }

  function say(what: Suspicion, record: CallRecord, times: number): void {
    const { principalKind: kind, issuer, subject, email, org, clientAddress, userAgent, requestId } = record;
    const actor = kind === null ? undefined : { kind, issuer, subject, email };
    const event = { kind: 'security', action: what, org, actor, clientAddress, userAgent, requestId } as const;
    report(what, { ...event, target: record.target ?? null, detail: { times, windowSeconds: windowMs / 1000 } });
  }

  function hearSignIn(record: CallRecord): void {
    const { decision, action, clientAddress, target, subject, id } = record;
    if (action === 'token.reused') say('token.reused', record, 1);
    if (decision !== 'deny') return;
    const { failuresPerAddress, failuresPerAccount } = thresholds;
    if (count('failures.address', clientAddress, id, failuresPerAddress))
      say('failures.address', record, failuresPerAddress + 1);
    const account = subject ?? target;
    if (account && count('failures.account', account.toLowerCase(), id, failuresPerAccount))
      say('failures.account', record, failuresPerAccount + 1);
  }

  function hearRefusal(record: CallRecord, who: string): void {
    const { reason, id, path, name } = record;
    const { scopeRefusals, unknownOrganizations, failuresPerAddress } = thresholds;
    if (reason === null) return;
    if (badTokens.has(reason) && count('failures.address', record.clientAddress, id, failuresPerAddress))
      say('failures.address', record, failuresPerAddress + 1);
    if (scopeReasons.has(reason) && count('scope.probing', who, `${path} ${name} ${id}`, scopeRefusals))
      say('scope.probing', record, scopeRefusals + 1);
    if (unknownReasons.has(reason) && count('organization.probing', who, path, unknownOrganizations))
      say('organization.probing', record, unknownOrganizations + 1);
  }

  return {
    hear(record) {
      const { kind = 'call', subject, issuer, clientAddress } = record;
      if (kind === 'sign_in') return hearSignIn(record);
      if (kind !== 'call') return;
      const who = subject === null ? clientAddress : `${issuer ?? ''} ${subject}`;
      if (record.decision === 'deny' || record.reason !== null) hearRefusal(record, who);
      if (subject !== null && count('token.addresses', who, clientAddress, thresholds.addressesPerToken))
        say('token.addresses', record, thresholds.addressesPerToken + 1);
    },
  };
}
