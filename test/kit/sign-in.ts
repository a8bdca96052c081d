/** A client that signs a person in: registers, authorizes with PKCE, redeems. The browser is the caller's. */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';

/** Nothing listens there: browsers of tests stop before it. */
export const webRedirect = 'https://client.example/cb';

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

const registered = z.object({ client_id: z.string() });

/** A public client; its id. */
export async function registerClient(
  issuer: string,
  metadata: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  const body = {
    client_name: 'Test client',
    redirect_uris: [webRedirect],
    token_endpoint_auth_method: 'none',
    ...metadata,
  };
  const answer = await fetch(`${issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return registered.parse(await answer.json()).client_id;
}

const issued = z.object({
  access_token: z.string(),
  refresh_token: z.string().optional(),
  scope: z.string().optional(),
});

/** Redeems the code that `callback`, the client's redirect URI as the browser was sent to it, carries. */
export async function redeem(
  { issuer, clientId, redirectUri = webRedirect }: Pick<AuthorizeOptions, 'issuer' | 'clientId' | 'redirectUri'>,
  callback: string,
  verifier: string,
): Promise<z.output<typeof issued>> {
  const code = new URL(callback).searchParams.get('code') ?? '';
  const form = { grant_type: 'authorization_code', code, redirect_uri: redirectUri, client_id: clientId };
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...form, code_verifier: verifier }),
  });
  return issued.parse(await answer.json());
}
