/**
 * The one error type and the one table of codes. `message` goes on the wire, `cause` only to the log.
 * Surfaces render it (http/render.ts); rooms only throw it.
 */
interface ErrorRow {
  /** HTTP status where the surface does not say otherwise. */
  readonly http: number;
  /** JSON-RPC error code (MCP 2026-07-28 basic#error-codes, JSON-RPC 2.0 5.1). */
  readonly rpc: number;
  /** RFC 6750 3.1 and RFC 9449 7.1 error code for `WWW-Authenticate`; only where a challenge belongs. */
  readonly challenge?: 'none' | 'invalid_token' | 'invalid_dpop_proof' | 'insufficient_scope';
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
}

export const errorTable = {
  no_token: { http: 401, rpc: -32000, challenge: 'none', level: 'info', message: 'No token provided.' },
  invalid_token: {
    http: 401,
    rpc: -32000,
    challenge: 'invalid_token',
    level: 'warn',
    message: 'Invalid bearer token.',
  },
  invalid_dpop_proof: {
    http: 401,
    rpc: -32000,
    challenge: 'invalid_dpop_proof',
    level: 'warn',
    message: 'Invalid DPoP proof.',
  },
  /** A session of the portal, for something dangerous: whoever sits there signs in anew. */
  reauthenticate: { http: 401, rpc: -32000, level: 'info', message: 'Sign in again to do this' },
  /** A browser asks with a cookie, and not from a page of ours. */
  csrf_refused: { http: 403, rpc: -32000, level: 'warn', message: 'This request does not come from the portal' },
  not_member: { http: 403, rpc: -32000, challenge: 'none', level: 'warn', message: 'Access denied' },
  role_denied: { http: 403, rpc: -32000, challenge: 'none', level: 'warn', message: 'Access denied' },
  https_required: { http: 403, rpc: -32000, level: 'warn', message: 'This address is served over https only' },
  no_organization: { http: 403, rpc: -32000, level: 'warn', message: 'Organization context required for MCP requests' },
  forbidden: { http: 403, rpc: -32000, level: 'warn', message: 'Access denied' },
  insufficient_scope: {
    http: 403,
    rpc: -32000,
    challenge: 'insufficient_scope',
    level: 'warn',
    message: 'Insufficient scope',
  },
  unknown_endpoint: { http: 404, rpc: -32000, level: 'warn', message: 'Collection not found' },
  not_found: { http: 404, rpc: -32000, level: 'info', message: 'Not found' },
  not_enabled: { http: 200, rpc: -32000, level: 'warn', message: 'Access Denied' },
  policy_denied: { http: 403, rpc: 403, level: 'warn', message: 'Unauthorized' },
  sign_in_denied: { http: 403, rpc: -32000, level: 'warn', message: 'This account may not sign in here' },
  rate_limited: { http: 429, rpc: -32000, level: 'warn', message: 'Rate limit exceeded' },
  too_many_calls: { http: 429, rpc: -32000, level: 'warn', message: 'Too many concurrent calls' },
  bad_request: { http: 400, rpc: -32600, level: 'info', message: 'Bad request' },
  conflict: { http: 409, rpc: -32000, level: 'info', message: 'Already exists' },
  precondition_failed: {
    http: 412,
    rpc: -32000,
    level: 'info',
    message: 'It was changed meanwhile: read it again, then repeat your change',
  },
  idempotency_mismatch: {
    http: 422,
    rpc: -32600,
    level: 'info',
    message: 'This Idempotency-Key was used with another request: use a new one',
  },
  uri_too_long: { http: 414, rpc: -32600, level: 'info', message: 'Request target is too long' },
  too_large: { http: 413, rpc: -32600, level: 'info', message: 'Request body is too large' },
  media_type: { http: 415, rpc: -32000, level: 'info', message: 'Content-Type must be application/json' },
  not_acceptable: {
    http: 406,
    rpc: -32000,
    level: 'info',
    message: 'Accept must list application/json and text/event-stream',
  },
  method_not_allowed: { http: 405, rpc: -32000, level: 'info', message: 'Method not allowed' },
  invalid_origin: { http: 403, rpc: -32000, level: 'warn', message: 'Origin not allowed' },
  invalid_host: { http: 421, rpc: -32000, level: 'warn', message: 'Host not served here' },
  parse_error: { http: 400, rpc: -32700, level: 'info', message: 'Parse error' },
  invalid_request: { http: 400, rpc: -32600, level: 'info', message: 'Invalid request' },
  unknown_method: { http: 404, rpc: -32601, level: 'info', message: 'Method not found' },
  invalid_params: { http: 400, rpc: -32602, level: 'info', message: 'Invalid params' },
  /** Enforced arguments can't be applied to what the caller sent: fail closed, in-band. */
  content_blocked: { http: 200, rpc: -32003, level: 'warn', message: 'Blocked by a content filter' },
  enforcement_failed: { http: 200, rpc: -32602, level: 'warn', message: 'Invalid arguments' },
  header_mismatch: { http: 400, rpc: -32020, level: 'info', message: 'Header mismatch' },
  unsupported_version: { http: 400, rpc: -32022, level: 'info', message: 'Unsupported protocol version' },
  session_required: {
    http: 400,
    rpc: -32000,
    level: 'info',
    message: 'Bad Request: Mcp-Session-Id header is required',
  },
  session_unknown: { http: 404, rpc: -32001, level: 'info', message: 'Session not found' },
  upstream_unreachable: { http: 502, rpc: -32603, level: 'error', message: 'Upstream server is unreachable' },
  upstream_refused: {
    http: 502,
    rpc: -32603,
    level: 'error',
    message: 'Upstream server refused the credential that the gateway sent',
  },
  upstream_broken: { http: 502, rpc: -32603, level: 'error', message: 'Upstream server broke off its answer' },
  upstream_timeout: { http: 504, rpc: -32603, level: 'error', message: 'Upstream server did not answer in time' },
  upstream_busy: { http: 503, rpc: -32603, level: 'warn', message: 'Upstream server is at its limit' },
  /** What the caller refers to (a parked call, a child process) ended with the replica that held it: for good. */
  owner_gone: {
    http: 410,
    rpc: -32603,
    level: 'warn',
    message: 'What this request refers to ended with the replica that held it: start again',
  },
  /** Its replica is registered but does not answer, or broke off: it may have acted, so nothing is sent twice. */
  owner_unreachable: {
    http: 503,
    rpc: -32603,
    level: 'error',
    message: 'The replica that holds what this request refers to cannot be reached',
  },
  credential_unavailable: {
    http: 503,
    rpc: -32603,
    level: 'error',
    message: 'The credential for this server cannot be opened',
  },
  /** Whoever calls has no account of their own at the server, or none that is good (`data`: AccountNeeded). */
  account_required: {
    http: 403,
    rpc: -32000,
    level: 'info',
    message: 'This server is used with an account of your own, which is not connected',
  },
  identity_unavailable: { http: 503, rpc: -32000, level: 'error', message: 'The identity provider cannot be reached' },
  storage_unavailable: { http: 503, rpc: -32000, level: 'error', message: 'Storage is unavailable' },
  audit_full: { http: 503, rpc: -32000, level: 'error', message: 'The audit trail cannot take more records' },
  shutting_down: { http: 503, rpc: -32000, level: 'info', message: 'Shutting down' },
  /** A broken setting or start condition: printed as one sentence, exit 1. */
  setting: { http: 500, rpc: -32603, level: 'error', message: 'A setting is wrong' },
  internal: { http: 500, rpc: -32603, level: 'error', message: 'Internal server error' },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export interface ErrorDetails {
  /** Replaces the table's message on the wire. Never put a stranger's text here. */
  readonly message?: string;
  /** JSON-RPC `error.data`. */
  readonly data?: unknown;
  readonly retryAfterSeconds?: number;
  /** Which limit was reached, for the trail: names nobody, and is never sent. */
  readonly limit?: string;
  readonly cause?: unknown;
}

export class GatehouseError extends Error {
  readonly code: ErrorCode;
  readonly data: unknown;
  readonly retryAfterSeconds: number | undefined;
  readonly limit: string | undefined;

  constructor(code: ErrorCode, details: ErrorDetails = {}) {
    super(details.message ?? errorTable[code].message, { cause: details.cause });
    this.name = 'GatehouseError';
    this.code = code;
    this.data = details.data;
    this.retryAfterSeconds = details.retryAfterSeconds;
    this.limit = details.limit;
  }

  get row(): ErrorRow {
    return errorTable[this.code];
  }
}

/** One sentence for the operator: what is wrong with a setting, and what to do next. */
export function settingError(message: string, cause?: unknown): GatehouseError {
  return new GatehouseError('setting', { message, cause });
}

/** Whatever was thrown, as ours: strangers become `internal` with the stranger as cause. */
export function asGatehouseError(thrown: unknown): GatehouseError {
  return thrown instanceof GatehouseError ? thrown : new GatehouseError('internal', { cause: thrown });
}
