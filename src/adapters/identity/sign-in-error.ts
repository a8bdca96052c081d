import * as oidc from 'openid-client';
import { GatehouseError } from '#core/error.ts';

/** OAuth errors that are the person's, or their administrator's, answer (RFC 6749 4.1.2.1, OpenID Connect Core 3.1.2.6). */
const denials = new Set([
  'access_denied',
  'login_required',
  'interaction_required',
  'consent_required',
  'account_selection_required',
  'unauthorized',
]);

/**
 * What went wrong at an identity provider during sign-in, as the port has it: `sign_in_denied` for the person's own no,
 * `invalid_token` for an answer that can't be believed, `identity_unavailable` for everything that isn't the person's.
 */
export function asSignInError(thrown: unknown): GatehouseError {
  const ours = findOurs(thrown);
  if (ours) return ours.code.startsWith('upstream_') ? unavailable(thrown) : ours;
  if (thrown instanceof oidc.AuthorizationResponseError) {
    return denials.has(thrown.error)
      ? new GatehouseError('sign_in_denied', { cause: harmless(thrown) })
      : unavailable(thrown);
  }
  if (thrown instanceof oidc.ResponseBodyError) {
    // A code that was used, or that is too old: the person starts again. Anything else there is between us and them.
    return thrown.error === 'invalid_grant' ? invalid(thrown) : unavailable(thrown);
  }
  return isUnbelievable(thrown) ? invalid(thrown) : unavailable(thrown);
}

/** openid-client's codes for an answer that arrived and failed a check: claims, `iss` of the callback (RFC 9207), nonce. */
const checkCodes = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED',
  'OAUTH_UNSUPPORTED_OPERATION',
]);

function isUnbelievable(thrown: unknown): boolean {
  if (!(thrown instanceof oidc.ClientError) || !checkCodes.has(thrown.code ?? '')) return false;
  // A token response with nothing in it is a fault of theirs: nothing was claimed.
  const detail = thrown.cause instanceof Error ? thrown.cause.cause : undefined;
  const empty = typeof detail === 'object' && detail !== null && 'body' in detail;
  return !(empty && thrown.code === 'OAUTH_INVALID_RESPONSE');
}

function findOurs(thrown: unknown): GatehouseError | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++) {
    if (error instanceof GatehouseError) return error;
  }
  return undefined;
}

const invalid = (thrown: unknown) => new GatehouseError('invalid_token', { cause: harmless(thrown) });
const unavailable = (thrown: unknown) => new GatehouseError('identity_unavailable', { cause: harmless(thrown) });

/** What may be logged: strangers' errors carry answers and claims, and answers carry tokens. */
function harmless(thrown: unknown): unknown {
  if (thrown instanceof GatehouseError) return thrown;
  if (!(thrown instanceof Error)) return undefined;
  const { name, message } = thrown;
  const code = 'code' in thrown ? ` (${String(thrown.code)})` : '';
  const said = 'error' in thrown ? `: ${String(thrown.error).slice(0, 64)}` : '';
  // A SyntaxError quotes the text that it couldn't read.
  return new Error(`${name}${code}${said}${thrown instanceof SyntaxError ? '' : `: ${message}`}`);
}
