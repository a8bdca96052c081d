/**
 * Clerk: session tokens (both versions), OAuth access tokens (JWT and opaque), and sign-in at an OAuth application of the
 * instance. The token says who calls; whether they belong to an organization, and with which role, is asked live.
 */
import { decodeProtectedHeader } from 'jose';
import { findScopes } from '#adapters/identity/claims.ts';
import { commonOf, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider, RedirectSignIn, VerifiedToken } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import type { RemoteKeys } from '#adapters/identity/jwks.ts';
import { oidcConfig } from '#adapters/identity/oidc/settings.ts';
import { openOidcSignIn } from '#adapters/identity/oidc/sign-in.ts';
import type { RemoteDocument } from '#adapters/identity/remote-document.ts';
import { openServerMetadata, type ServerMetadata } from '#adapters/identity/server-metadata.ts';
import { openVendorApi } from '#adapters/identity/vendor-api.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import { type CheckedToken, strictRules, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { openClerkKeys } from './keys.ts';
import { type ClerkMemberships, openClerkMemberships } from './memberships.ts';
import { opaquePrefix, openOpaqueTokens } from './opaque-tokens.ts';
import { readOrganization } from './session-claims.ts';
import { type ClerkConfig, clerkConfig, issuerOf, modeOf } from './settings.ts';
import { openClerkWebhook } from './webhook.ts';

export const clerkAdapter = {
  kind: 'clerk',
  title: 'Clerk',
  config: clerkConfig,
  open: openClerk,
} as const satisfies Adapter<'clerk', typeof clerkConfig, IdentityDeps, IdentityProvider>;

/** The version of the Backend API whose answers are read here. */
const headers = { 'clerk-api-version': '2026-05-12' };
const claimNames = { emailClaim: 'email', nameClaim: 'name' };
/** `org_id`: the organization chosen on Clerk's consent page, with its scope `user:org:read`. */
const oauthClaimNames = { ...claimNames, organizationClaim: 'org_id' };
/** Header `cat` of session tokens, and of tokens that say nothing of their category. */
const sessionCategories: readonly unknown[] = [undefined, 'cl_B7d4PD111AAA', 'cl_I7d4PD111III'];

function openClerk(settings: ClerkConfig, deps: IdentityDeps): IdentityProvider {
  const { apiUrl } = settings;
  const issuer = issuerOf(settings);
  const mode = modeOf(settings);
  const secretKey = new Secret(settings.secretKey);
  const setting = 'secretKey, CLERK_SECRET_KEY';
  const api = openVendorApi({ ...deps, vendor: 'Clerk', setting, apiKey: secretKey, headers });
  const keys = openClerkKeys({ ...deps, apiUrl, issuer, secretKey, headers });
  const members = openClerkMemberships({ ...deps, api, apiUrl });
  const read = (checked: CheckedToken) => readOauth(checked, settings);
  const opaque = openOpaqueTokens({ ...deps, api, apiUrl, issuer, read });
  const metadataAt = (...paths: readonly string[]) =>
    openServerMetadata({ ...deps, issuers: [issuer], urls: paths.map((path) => joinPath(issuer, path)) });
  const metadata = metadataAt('/.well-known/oauth-authorization-server', '/.well-known/openid-configuration');
  const discovery = metadataAt('/.well-known/openid-configuration', '/.well-known/oauth-authorization-server');
  if (mode === 'direct' && settings.authorizedParties === undefined) {
    deps.log.warn({ issuer }, 'Clerk: every page of this instance may call: name yours in authorizedParties');
  }
  return {
    ...commonOf(settings, { kind: 'clerk', title: 'Clerk', mode }),
    ...(mode === 'broker' && { signIn: openSignIn(settings, { ...deps, metadata: discovery, keys, members }) }),
    ...(settings.webhookSecret !== undefined && {
      webhook: openClerkWebhook(new Secret(settings.webhookSecret), settings),
    }),
    issuers: [issuer],
    authorizationServer: issuer,
    ...(settings.opaqueTokens && { tokenPrefixes: [opaquePrefix] }),
    verify: (token) =>
      settings.opaqueTokens && token.startsWith(opaquePrefix)
        ? opaque.verify(token)
        : verifyJwt(token, { settings, keys, deps }),
    async memberships(subject, organization) {
      const roles = await members.find(subject, organization);
      return roles && { roles: mapRoles(settings, { roles, groups: [] }) };
    },
    organizations: async (subject) => [...(await members.list(subject)).keys()],
    forget(subject) {
      members.forget(subject);
      opaque.forget(subject);
    },
    metadata: async () => (await metadata.get()).value,
    close: async () => undefined,
  };
}

type Claims = Readonly<Record<string, unknown>>;

interface JwtDeps {
  readonly settings: ClerkConfig;
  readonly keys: RemoteKeys;
  readonly deps: IdentityDeps;
}

async function verifyJwt(token: string, { settings, keys, deps }: JwtDeps): Promise<VerifiedToken> {
  const rules: TokenRules = { ...strictRules, issuers: [issuerOf(settings)], audiences: 'unchecked' };
  const checked = await verifyToken(token, keys.find, { rules, clock: deps.clock });
  // Only now, with the signature checked, does the header say anything (X4.3).
  const { typ, cat } = decodeProtectedHeader(token);
  const isOauth = typ?.toLowerCase().replace(/^application\//, '') === 'at+jwt';
  if (isOauth) return readOauth(checked, settings);
  if (!sessionCategories.includes(cat)) throw refusal('not a session token');
  checkSessionClaims(checked.claims, settings);
  return asSession(checked, settings);
}

/** Throws `invalid_token`. A token for a machine (`mch_…`) or a key is nobody's. */
function checkPerson({ sub }: Claims): void {
  if (typeof sub !== 'string' || !/^user_[A-Za-z0-9_-]+$/.test(sub)) throw refusal('not the token of a person');
}

/**
 * An OAuth access token, whatever its form. `aud` names who it is for, where a resource was asked for (RFC 8707). Clerk's
 * own scopes are about its user data: only custom ones that are about tools limit a token. Throws `invalid_token`.
 */
function readOauth(checked: CheckedToken, { audiences }: ClerkConfig): VerifiedToken {
  const { claims } = checked;
  checkPerson(claims);
  if (!isForUs(claims.aud, audiences, audiences !== undefined)) throw refusal('for another audience');
  const scopes = [...findScopes(claims, 'scope'), ...findScopes(claims, 'scp')].filter((one) => one.startsWith('mcp:'));
  return { ...asVerified(checked, oauthClaimNames), ...(scopes.length > 0 && { scopes }) };
}

/**
 * A session token is bound to the page it was made for (`azp`), is no token of a JWT template (those have no session), of
 * no person who still has something to do to sign in (`sts`), and of nobody who acts as somebody else. Throws `invalid_token`.
 */
function checkSessionClaims(claims: Claims, { audiences, authorizedParties }: ClerkConfig): void {
  checkPerson(claims);
  const { azp, sid, sts, act } = claims;
  if (typeof sid !== 'string' || sid === '') throw refusal('no session');
  if (sts !== undefined && sts !== 'active') throw refusal('the session is not active');
  if (act !== undefined) throw refusal('somebody acts as this person');
  if (authorizedParties && !(typeof azp === 'string' && authorizedParties.includes(azp))) {
    throw refusal('made for another page (azp)');
  }
  if (!isForUs(claims.aud, audiences, false)) throw refusal('for another audience');
}

function isForUs(aud: unknown, audiences: readonly string[] = [], required: boolean): boolean {
  if (aud === undefined) return !required;
  return [aud].flat().some((one) => typeof one === 'string' && audiences.includes(one));
}

const refusal = (reason: string) => new GatehouseError('invalid_token', { cause: new Error(`Clerk token: ${reason}`) });

/** Both versions of the token come out with the claims of the first: policies read one shape. */
function asSession(checked: CheckedToken, settings: ClerkConfig): VerifiedToken {
  const verified = asVerified(checked, claimNames);
  const organization = readOrganization(checked.claims);
  if (!organization) return verified;
  const { id, slug, role, permissions } = organization;
  return {
    ...verified,
    organization: id,
    roles: mapRoles(settings, { roles: role === undefined ? [] : [role], groups: [] }),
    claims: { ...checked.claims, org_id: id, org_slug: slug, org_role: role, org_permissions: permissions },
  };
}

interface SignInDeps extends IdentityDeps {
  readonly metadata: RemoteDocument<ServerMetadata>;
  readonly keys: RemoteKeys;
  readonly members: ClerkMemberships;
}

/** Clerk is an OpenID provider; the organizations, which its tokens leave out, are asked for. */
function openSignIn(settings: ClerkConfig, { members, ...deps }: SignInDeps): RedirectSignIn {
  const { clientId, clientSecret, roleMapping } = settings;
  const entry = { mode: 'broker', issuer: issuerOf(settings), clientId, clientSecret };
  const openId = openOidcSignIn(oidcConfig.parse(entry), deps);
  return {
    method: 'redirect',
    start: (request) => openId.start(request),
    async finish(callback, request) {
      const person = await openId.finish(callback, request);
      checkPerson({ sub: person.subject });
      members.forget(person.subject);
      const memberships = await members.list(person.subject);
      const organizations = [...memberships].map(([id, roles]) => ({
        id,
        roles: mapRoles({ roleMapping }, { roles, groups: [] }),
      }));
      return { ...person, organizations };
    },
  };
}
