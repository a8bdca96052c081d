import { uuidv7 } from '#core/ids.ts';
import type { CallRecord } from './call-record.ts';

/** Unix milliseconds. */
export interface Gap {
  readonly count: number;
  readonly firstAt: number;
  readonly lastAt: number;
}

/** Says in the audit trail itself that, and how much of it, is missing. */
export function gapRecord(gap: Gap): CallRecord {
  const id = uuidv7(gap.lastAt);
  return {
    ...{ id, at: gap.firstAt, requestId: id, org: null, principalKind: null, issuer: null, subject: null, email: null },
    ...{ clientAddress: '', userAgent: null, httpMethod: '', path: '', endpoint: null, server: null, rpcMethod: null },
    ...{ name: `${gap.count} call records dropped`, decision: 'deny', reason: 'audit_full', status: 503, open: false },
    ...{ durationMs: gap.lastAt - gap.firstAt, upstreamMs: null, bytesIn: 0, bytesOut: 0 },
  };
}
