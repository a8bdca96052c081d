/**
 * Enterprise-managed authorization (MCP ext-auth, stable; draft-ietf-oauth-identity-assertion-authz-grant-04, 4.4): a
 * registered client brings an assertion (ID-JAG) of an issuer that operators trust for one organization, and gets an
 * access token for one resource of that organization. No refresh token: the identity provider is asked again.
 * Assertions are never logged; many reasons inside, `invalid_grant` outside.
 */
import type { JWTPayload } from 'jose';
import type Provider from 'oidc-provider';
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import { z } from 'zod';
import { openRemoteKeys, type RemoteKeys } from '#adapters/identity/jwks.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import { asymmetricAlgorithms, verifyToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { withPlatform } from '#db/scope.ts';
import { jwtBearer } from '#oauth/program-clients.ts';
import { digestOf } from '#oauth/record-store.ts';
import { parseResource } from '#oauth/resource.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { markOauthRecord } from '#records/oauth-records.ts';
import { findOrganization, type Organization } from '#records/organizations.ts';
import { ensureMember, findIdentityUser, type User, upsertIdentity } from '#records/users.ts';
import { idJagType } from './id-jag-mint.ts';
import { type GrantDeps, getRegistered, narrowScope, refuseProof, resourceOf, rulesOf, sendToken } from './issue.ts';
import { isInOrganization } from './token-claims.ts';

type AssertionIssuer = OauthSettings['assertionIssuers'][number];
interface Trusted extends AssertionIssuer {
  readonly keys: RemoteKeys;
}

export const assertionParameters = ['assertion', 'scope', 'resource'] as const;
export type AssertionContext = TokenEndpointGrantContext<{ assertion?: string }>;

const maxLifetimeSeconds = 3600;
const skewMs = 60_000;
const maxJtiLength = 256;

/** Handles `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`. */
export function openAssertionGrant(provider: Provider, deps: GrantDeps): (ctx: AssertionContext) => Promise<void> {
  const trusted = new Map(
    deps.settings.assertionIssuers.map((entry) => [entry.issuer, { ...entry, keys: openKeys(deps, entry) }]),
  );
  return async (ctx) => {
    const { client, params } = ctx.oidc;
    const registered = await getRegistered(deps.db, client, 'jwt-bearer');
    refuseProof(ctx);
    if (!params.assertion) throw new errors.InvalidRequest('assertion is required');
    const { claims, issuer } = await verifyAssertion(deps, trusted, {
      assertion: params.assertion,
      client: client.clientId,
    });
    const organization = await withPlatform(deps.db, (scope) => findOrganization(scope, issuer.organization));
    if (!organization || registered.org !== organization.id)
      throw refused('the issuer speaks for another organization');
    const resource = await chooseResource(deps, { claims, asked: resourceOf(ctx), organization });
    const scopes = narrowScope(params.scope, [
      typeof claims.scope === 'string' ? claims.scope.split(' ') : undefined,
      registered.scopes,
    ]);
    await useUp(deps, claims);
    const user = await signInBy(deps, { issuer, claims, org: organization.id });
    const seconds = deps.settings.accessTokenSeconds;
    const token = {
      client,
      accountId: user.subject,
      grantId: undefined,
      grantType: jwtBearer,
      resource,
      scopes,
      seconds,
    };
    await sendToken(provider, ctx, {
      deps,
      token: { ...token, claims: { org: organization.id } },
      answer: {},
    });
  };
}

const refused = (reason: string, cause?: unknown) =>
  new errors.InvalidGrant({ detail: reason, ...(cause !== undefined && { cause }) });

function openKeys({ fetch, clock, log }: GrantDeps, { issuer, jwksUrl }: AssertionIssuer): RemoteKeys {
  if (jwksUrl !== undefined) return openRemoteKeys({ url: jwksUrl, fetch, clock, log });
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  const metadata = openServerMetadata({
    issuers: [issuer],
    urls: [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
    ],
    fetch,
    clock,
    log,
  });
  const url = async () => z.url().parse((await metadata.get()).value.jwks_uri);
  return openRemoteKeys({ url, fetch, clock, log });
}

async function verifyAssertion(
  { issuer: own, clock }: GrantDeps,
  trusted: ReadonlyMap<string, Trusted>,
  { assertion, client }: { readonly assertion: string; readonly client: string },
): Promise<{ readonly claims: JWTPayload; readonly issuer: Trusted }> {
  const issuer = trusted.get(unverifiedIssuer(assertion) ?? '');
  if (!issuer) throw refused('the issuer is not trusted');
  const checked = await verifyToken(assertion, issuer.keys.find, {
    clock,
    rules: {
      issuers: [issuer.issuer],
      audiences: [own],
      algorithms: asymmetricAlgorithms,
      types: [idJagType],
      subjectClaims: ['sub'],
      requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat', 'jti', 'client_id'],
      maxLifetimeSeconds,
    },
  }).catch((thrown: unknown) => {
    if (thrown instanceof GatehouseError && thrown.code === 'identity_unavailable') {
      throw new errors.TemporarilyUnavailable("the issuer's keys cannot be had");
    }
    throw refused('the assertion is not valid', thrown);
  });
  const { claims } = checked;
  // For us alone: an assertion that names others too could be brought to each of them.
  if ([claims.aud].flat().length !== 1) throw refused('the assertion has several audiences');
  if (claims.client_id !== client) throw refused('the assertion was issued for another client');
  if (typeof claims.jti !== 'string' || claims.jti === '' || claims.jti.length > maxJtiLength) throw refused('bad jti');
  return { claims, issuer };
}

function unverifiedIssuer(assertion: string): string | undefined {
  try {
    const payload: unknown = JSON.parse(Buffer.from(assertion.split('.')[1] ?? '', 'base64url').toString());
    return z.object({ iss: z.string() }).parse(payload).iss;
  } catch {
    return undefined;
  }
}

/** Single use, on every replica, until nobody would accept it any more. */
async function useUp({ db, clock }: GrantDeps, { iss, jti, exp }: JWTPayload): Promise<void> {
  const id = digestOf(JSON.stringify([iss, jti]));
  const expiresAt = Number(exp) * 1000 + skewMs;
  if (!(await markOauthRecord(db, { model: 'UsedAssertion', id, expiresAt }, clock.now()))) {
    throw refused('the assertion was used before');
  }
}

/** What the assertion names, or the one of those that the request names; neither: the organization's endpoint. */
async function chooseResource(
  deps: GrantDeps,
  {
    claims,
    asked,
    organization,
  }: { readonly claims: JWTPayload; readonly asked: string | undefined; readonly organization: Organization },
): Promise<string> {
  const rules = rulesOf(deps);
  const named = z
    .union([z.string().transform((one) => [one]), z.array(z.string()).min(1)])
    .optional()
    .safeParse(claims.resource);
  if (!named.success) throw refused('bad resource');
  if (asked !== undefined && named.data && !named.data.includes(asked)) throw new errors.InvalidTarget();
  const resource = asked ?? named.data?.[0] ?? `${deps.issuer}/${organization.slug}/mcp`;
  const parsed = parseResource(resource, rules);
  const inside = await withPlatform(deps.db, (scope) =>
    isInOrganization(scope, { rules, resource, org: organization.id }),
  );
  // The whole gateway would be more than the issuer is trusted for.
  if (!parsed || parsed.kind === 'gateway' || !inside) throw refused('the resource is none of the organization');
  return resource;
}

/** Made a member at the first assertion; who was removed from the organization since is not let in again by one. */
async function signInBy(
  { db, clock, members }: GrantDeps,
  { issuer, claims, org }: { readonly issuer: Trusted; readonly claims: JWTPayload; readonly org: OrgId },
): Promise<User> {
  const identity = { provider: issuer.identityProvider, subject: claims.sub ?? '' };
  const known = await withPlatform(db, (scope) => findIdentityUser(scope, identity));
  if (known) {
    if (!known.active || !(await members.find(known.subject, org))) throw refused('the person may not sign in');
    return known;
  }
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const email = text(claims.email);
  const seen = { ...identity, email, emailVerified: claims.email_verified === true, name: text(claims.name) };
  return withPlatform(db, async (scope) => {
    const user = await upsertIdentity(scope, seen, clock.now());
    await ensureMember(scope, { userId: user.id, provider: identity.provider, org, roles: [], groups: [] });
    return user;
  });
}
