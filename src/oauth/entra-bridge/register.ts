import { z } from 'zod';
import { type OauthAnswer, refusal } from './answer.ts';
import { pinnedScope } from './authorize.ts';
import { isSafeRedirectUri } from './redirect-uri.ts';

const requestSchema = z.object({
  redirect_uris: z.array(z.string()).max(20).optional(),
  client_name: z.string().max(200).optional().catch(undefined),
});

/**
 * Everybody is the one application that an administrator registered at Entra: nothing is kept. The answer repeats the
 * redirect URIs, which the official SDK's schema requires (RFC 7591 3.2.1).
 */
export function register(
  body: string,
  { clientId, nowMs }: { readonly clientId: string; readonly nowMs: number },
): OauthAnswer {
  const parsed = requestSchema.safeParse(parseJson(body));
  const { redirect_uris: uris = [], client_name: name } = parsed.success ? parsed.data : {};
  if (!uris.every(isSafeRedirectUri)) {
    return refusal(400, 'invalid_redirect_uri', 'Use https, http on loopback, or a private-use scheme');
  }
  return {
    status: 201,
    body: {
      client_id: clientId,
      client_id_issued_at: Math.floor(nowMs / 1000),
      redirect_uris: uris,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'none',
      scope: pinnedScope,
      ...(name !== undefined && { client_name: name }),
    },
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
