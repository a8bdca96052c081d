import { findClaim, findText, findTexts } from './claims.ts';
import { type CommonSettings, mapRoles } from './common.ts';
import type { SignedIn } from './identity.ts';

/** Names of claims or dotted paths; unset: they say nothing of it. */
export interface SignInClaims {
  readonly email: string;
  readonly name: string;
  readonly username: string;
  /** All of them count. */
  readonly roles: readonly string[];
  readonly groups: string | undefined;
  readonly organization: string | undefined;
}

type Claims = Readonly<Record<string, unknown>>;

/** What an identity provider's claims say of a person, roles after the entry's `roleMapping`. */
export function asSignedIn(
  subject: string,
  claims: Claims,
  { names, settings }: { readonly names: SignInClaims; readonly settings: Pick<CommonSettings, 'roleMapping'> },
): SignedIn {
  const groups = names.groups === undefined ? [] : findTexts(claims, names.groups);
  const roles = mapRoles(settings, { roles: names.roles.flatMap((path) => findTexts(claims, path)), groups });
  const organizations = listOrganizations(claims, names.organization);
  const email = findText(claims, names.email);
  const name = findText(claims, names.name);
  const username = findText(claims, names.username);
  return {
    subject,
    roles,
    groups,
    claims,
    ...(email !== undefined && { email, emailVerified: isTrue(claims.email_verified) }),
    ...(name !== undefined && { name }),
    ...(username !== undefined && { username }),
    ...(organizations.length > 0 && { organizations: organizations.map((id) => ({ id, roles })) }),
  };
}

/** A text, a list of them, or (Keycloak) an object with them as its keys. */
function listOrganizations(claims: Claims, path: string | undefined): readonly string[] {
  if (path === undefined) return [];
  const value = findClaim(claims, path);
  const keyed = typeof value === 'object' && value !== null && !Array.isArray(value);
  return [...new Set(keyed ? Object.keys(value) : findTexts(claims, path))];
}

/** Amazon Cognito writes its booleans as text. */
const isTrue = (value: unknown) => value === true || value === 'true';
