import type { BridgedServer } from '#adapters/identity/identity.ts';
import { findRepeated, type OauthAnswer, refusal } from './answer.ts';
import { isSafeRedirectUri } from './redirect-uri.ts';

/**
 * What is asked for, whatever the client wanted: `openid` brings the ID token, `offline_access` the refresh token. A bare
 * `mcp:read` would be looked for among Graph's scopes (AADSTS650053).
 */
export const pinnedScopes = ['openid', 'profile', 'email', 'offline_access'] as const;
export const pinnedScope = pinnedScopes.join(' ');

/** Refused by Entra (AADSTS9010010), and asking plain users for an administrator's consent (AADSTS90094). */
const stripped = ['resource', 'prompt'];

const maxRedirectLength = 8 * 1024;

/**
 * A redirect to Entra with everything else as the client sent it. What is wrong is answered here, never by a redirect:
 * there is no address that was checked yet.
 */
export function authorize(query: URLSearchParams, { clientId, authorizationEndpoint }: BridgedServer): OauthAnswer {
  const wrong = (error: string, description: string) => refusal(400, error, description);
  const repeated = findRepeated(query, stripped);
  if (repeated !== undefined) return wrong('invalid_request', 'A parameter is there more than once');
  if (query.get('client_id') !== clientId) {
    return wrong('unauthorized_client', 'Unknown client: register at /register to learn the client id');
  }
  if (!isSafeRedirectUri(query.get('redirect_uri') ?? '')) {
    return wrong('invalid_request', 'redirect_uri must be https, http on loopback, or a private-use scheme');
  }
  if (query.get('response_type') !== 'code') return wrong('unsupported_response_type', 'response_type must be code');
  if (!query.get('code_challenge') || query.get('code_challenge_method') !== 'S256') {
    return wrong('invalid_request', 'PKCE is required: code_challenge with code_challenge_method S256');
  }
  const forwarded = new URLSearchParams(query);
  for (const name of stripped) forwarded.delete(name);
  forwarded.set('scope', pinnedScope);
  const location = `${authorizationEndpoint}?${forwarded}`;
  if (location.length > maxRedirectLength) return wrong('invalid_request', 'The request is too long');
  return { status: 302, headers: { location } };
}
