/** What a client sends a browser to, to sign a person in. */
import { createHash, randomBytes } from 'node:crypto';

/** Nothing listens there: browsers of tests stop before it. */
export const webRedirect = 'https://client.example/callback';

export interface AuthorizeOptions {
  /** No trailing slash, as in the gateway's metadata. */
  readonly issuer: string;
  readonly clientId: string;
  readonly redirectUri?: string;
  readonly scope?: string;
  readonly resource?: string;
  /** Further parameters. */
  readonly extra?: Readonly<Record<string, string>>;
}

export interface Authorization {
  readonly url: string;
  readonly state: string;
  readonly verifier: string;
}

export function authorization(options: AuthorizeOptions): Authorization {
  const { issuer, clientId, redirectUri = webRedirect, scope = 'mcp:read mcp:write', resource, extra } = options;
  const verifier = randomBytes(32).toString('base64url');
  const state = randomBytes(12).toString('base64url');
  const query = new URLSearchParams({
    client_id: clientId,
    redirect_uri: redirectUri,
    response_type: 'code',
    scope,
    state,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    ...(resource !== undefined && { resource }),
    ...extra,
  });
  return { url: `${issuer}/authorize?${query}`, state, verifier };
}
