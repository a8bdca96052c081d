import { createHash } from 'node:crypto';
import type { Client } from 'oidc-provider';

/**
 * Of everything a person's consent rests on: another fingerprint asks again, so a client can't be agreed to as one thing
 * and become another (SECURITY A15). Order of lists is no difference.
 */
export function fingerprintOf(client: Client): string {
  const facts = [
    client.clientId,
    client.clientName,
    client.clientUri,
    client.applicationType,
    client.clientAuthMethod,
    client.jwksUri,
    client.jwks,
    client.redirectUris?.toSorted(),
    client.grantTypes?.toSorted(),
  ];
  return createHash('sha256')
    .update(JSON.stringify(facts.map((fact) => fact ?? null)))
    .digest('base64url');
}
