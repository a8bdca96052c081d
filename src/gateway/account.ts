/** Room 8: what is known of a call becomes one record, for audit, usage and metrics alike. Runs for every call, refused ones too. */
import type { ErrorCode, GatehouseError } from '#core/error.ts';
import { formatMcpPath } from '#core/mcp-path.ts';
import type { Principal } from '#core/principal.ts';
import type { CallRecord } from '#records/call-record.ts';
import { type Call, requestIdOf } from './call.ts';
import type { Evidence } from './evidence.ts';
import type { Outcome } from './relay.ts';

export function callRecord(
  call: Call,
  outcome: Outcome,
  { monotonicNow, evidence }: { readonly monotonicNow: number; readonly evidence: Evidence | undefined },
): CallRecord {
  const { principal, message } = call;
  const error = outcome.error;
  return {
    id: call.id,
    at: call.at,
    requestId: requestIdOf(call),
    org: call.org ?? null,
    ...principalFields(principal),
    clientAddress: call.address,
    userAgent: call.headers?.userAgent?.slice(0, 256) ?? null,
    httpMethod: call.req.method ?? '',
    path: formatMcpPath(call.path),
    endpoint: call.endpoint?.name ?? null,
    server: call.server ?? null,
    rpcMethod: message?.method ?? null,
    name: message?.name?.slice(0, 256) ?? null,
    decision: error !== undefined && error !== 'client_gone' && refusals.has(error.code) ? 'deny' : 'allow',
    reason: error === undefined ? null : error === 'client_gone' ? error : error.code,
    status: outcome.status,
    open: outcome.open,
    durationMs: monotonicNow - call.startedAt,
    upstreamMs: call.upstreamMs ?? null,
    bytesIn: call.bytesIn,
    bytesOut: call.bytesOut,
    policyVersion: call.policy?.sets.join(' ').slice(0, 512) ?? evidence?.policyVersion ?? null,
    argumentDigest: evidence?.argumentDigest ?? null,
    content: null,
    detail: detailOf(call, error),
    tokensSaved: call.tokensSaved,
    policy: call.policy ?? null,
  };
}

/** Names nobody. */
function detailOf({ credential, policy, findings }: Call, error: Outcome['error']): CallRecord['detail'] {
  const limit = error === undefined || error === 'client_gone' ? undefined : error.limit;
  if (!policy && !findings && limit === undefined) return credential === undefined ? null : { credential };
  return {
    ...(credential !== undefined && { credential }),
    ...(policy && { policy: { ...policy } }),
    ...(findings && { findings: [...findings] }),
    ...(limit !== undefined && { limit }),
  };
}

const refusals: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...([
    'no_token',
    'invalid_token',
    'invalid_dpop_proof',
    'https_required',
    'not_member',
    'role_denied',
    'no_organization',
    'forbidden',
    'insufficient_scope',
  ] as const),
  ...([
    'unknown_endpoint',
    'not_enabled',
    'policy_denied',
    'rate_limited',
    'too_many_calls',
    'invalid_origin',
  ] as const),
  ...(['invalid_host', 'enforcement_failed', 'content_blocked'] as const),
]);

function principalFields(
  principal: Principal | undefined,
): Pick<CallRecord, 'principalKind' | 'issuer' | 'subject' | 'email'> {
  if (!principal) return { principalKind: null, issuer: null, subject: null, email: null };
  if (principal.kind === 'api-key')
    return { principalKind: 'api-key', issuer: null, subject: principal.keyId, email: null };
  return {
    principalKind: 'user',
    issuer: principal.issuer,
    subject: principal.subject,
    email: principal.email ?? null,
  };
}

/** The line of the request log: who and what, never a body. */
export function logFields(record: CallRecord, error: GatehouseError | 'client_gone' | undefined): object {
  const cause = error !== undefined && error !== 'client_gone' ? error.cause : undefined;
  return {
    requestId: record.requestId,
    org: record.org,
    subject: record.subject,
    endpoint: record.endpoint,
    server: record.server,
    rpcMethod: record.rpcMethod,
    name: record.name,
    reason: record.reason,
    ...(record.policy ? { policy: record.policy } : {}),
    ...(cause === undefined ? {} : { err: cause }),
  };
}
