import { findScopes, findText, findTexts } from './claims.ts';
import type { VerifiedToken } from './identity.ts';
import type { CheckedToken } from './verify-token.ts';

/** Names of claims or dotted paths. Unset: the token says nothing of it. */
export interface ClaimNames {
  readonly organizationClaim?: string | undefined;
  readonly rolesClaim?: string | undefined;
  readonly scopesClaim?: string | undefined;
  readonly emailClaim: string;
  readonly nameClaim: string;
}

const isTrue = (value: unknown) => value === true || value === 'true';

/** `unnamed` stands for the issuer of a token that names none. */
export function asVerified(
  { subject, issuer, expiresAt, claims }: CheckedToken,
  names: ClaimNames,
  unnamed = '',
): VerifiedToken {
  const organization = findText(claims, names.organizationClaim);
  const email = findText(claims, names.emailClaim);
  const name = findText(claims, names.nameClaim);
  return {
    issuer: issuer ?? unnamed,
    subject,
    expiresAt,
    claims,
    ...(organization !== undefined && { organization }),
    ...(names.rolesClaim !== undefined && { roles: findTexts(claims, names.rolesClaim) }),
    ...(names.scopesClaim !== undefined && { scopes: findScopes(claims, names.scopesClaim) }),
    ...(email !== undefined && { email, ...(isTrue(claims.email_verified) && { emailVerified: true }) }),
    ...(name !== undefined && { name }),
  };
}
