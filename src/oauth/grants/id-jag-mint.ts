import { randomUUID } from 'node:crypto';
import { importJWK, SignJWT } from 'jose';
import { GatehouseError } from '#core/error.ts';
import type { GrantDeps } from './issue.ts';

export const idJagTokenType = 'urn:ietf:params:oauth:token-type:id-jag';
export const idJagType = 'oauth-id-jag+jwt';
const lifetimeSeconds = 300;

export interface NewIdJag {
  /** The person, as they are known here. */
  readonly subject: string;
  /** Issuer of the authorization server that is to accept it. */
  readonly audience: string;
  /** The client as that server knows it. */
  readonly clientId: string;
  readonly resource?: string | undefined;
  readonly scope?: string | undefined;
}

/** An identity assertion of this gateway (draft-ietf-oauth-identity-assertion-authz-grant-04, 3), good once and for five minutes. */
export async function mintIdJag(
  { keys, clock, issuer }: Pick<GrantDeps, 'keys' | 'clock' | 'issuer'>,
  jag: NewIdJag,
): Promise<{ readonly assertion: string; readonly expiresInSeconds: number }> {
  const [key] = keys.current;
  if (!key) throw new GatehouseError('internal');
  const { alg = 'RS256', kid } = key.jwk;
  const now = Math.floor(clock.now() / 1000);
  const { clientId, resource, scope } = jag;
  const assertion = await new SignJWT({
    client_id: clientId,
    ...(resource !== undefined && { resource }),
    ...(scope !== undefined && { scope }),
  })
    .setProtectedHeader({ alg, typ: idJagType, kid })
    .setIssuer(issuer)
    .setSubject(jag.subject)
    .setAudience(jag.audience)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + lifetimeSeconds)
    .sign(await importJWK(key.jwk, alg));
  return { assertion, expiresInSeconds: lifetimeSeconds };
}
