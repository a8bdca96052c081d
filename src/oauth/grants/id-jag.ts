/**
 * Enterprise-managed authorization (MCP ext-auth, stable; draft-ietf-oauth-identity-assertion-authz-grant-04, 4.4): a
 * registered client brings an assertion (ID-JAG) of an issuer that operators trust for one organization, and gets an
 * access token for one resource of that organization. No refresh token: the identity provider is asked again.
 * Assertions are never logged; many reasons inside, `invalid_grant` outside.
 */
import type { JWTPayload } from 'jose';
import type Provider from 'oidc-provider';
import { errors } from 'oidc-provider';
import { z } from 'zod';
import type { RemoteKeys } from '#adapters/identity/jwks.ts';
import { asymmetricAlgorithms, verifyToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { withPlatform } from '#db/scope.ts';
import { jwtBearer } from '#oauth/program-clients.ts';
import { digestOf } from '#oauth/record-store.ts';
import type { OauthSettings } from '#oauth/settings.ts';
import { markOauthRecord } from '#records/oauth-records.ts';
import { findOrganization } from '#records/organizations.ts';
import { ensureMember, findIdentityUser, type User, upsertIdentity } from '#records/users.ts';
import {
  type AssertionContext,
  chooseResource,
  openIssuerKeys,
  refusedAssertion as refused,
  unverifiedIssuerOf,
} from './assertions.ts';
import { idJagType } from './id-jag-mint.ts';
import { type GrantDeps, getRegistered, narrowScope, refuseProof, resourceOf, sendToken } from './issue.ts';

type AssertionIssuer = OauthSettings['assertionIssuers'][number];
interface Trusted extends AssertionIssuer {
  readonly keys: RemoteKeys;
}

export const assertionParameters = ['assertion', 'scope', 'resource'] as const;

const maxLifetimeSeconds = 3600;
const skewMs = 60_000;
const maxJtiLength = 256;

/** Handles `grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer`. */
export function openAssertionGrant(provider: Provider, deps: GrantDeps): (ctx: AssertionContext) => Promise<void> {
  const trusted = new Map(
    deps.settings.assertionIssuers.map((entry) => [entry.issuer, { ...entry, keys: openIssuerKeys(deps, entry) }]),
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
    const named = resources.safeParse(claims.resource);
    if (!named.success) throw refused('bad resource');
    const resource = await chooseResource(deps, { named: named.data, asked: resourceOf(ctx), organization });
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

async function verifyAssertion(
  { issuer: own, clock }: GrantDeps,
  trusted: ReadonlyMap<string, Trusted>,
  { assertion, client }: { readonly assertion: string; readonly client: string },
): Promise<{ readonly claims: JWTPayload; readonly issuer: Trusted }> {
  const issuer = trusted.get(unverifiedIssuerOf(assertion) ?? '');
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

/** Single use, on every replica, until nobody would accept it any more. */
async function useUp({ db, clock }: GrantDeps, { iss, jti, exp }: JWTPayload): Promise<void> {
  const id = digestOf(JSON.stringify([iss, jti]));
  const expiresAt = Number(exp) * 1000 + skewMs;
  if (!(await markOauthRecord(db, { model: 'UsedAssertion', id, expiresAt }, clock.now()))) {
    throw refused('the assertion was used before');
  }
}

/** `resource` of an assertion. */
const resources = z.union([z.string().transform((one) => [one]), z.array(z.string()).min(1)]).optional();

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
  const { organization } = issuer;
  const emailVerified = claims.email_verified === true;
  const seen = { ...identity, email, emailVerified, organization, name: text(claims.name) };
  return withPlatform(db, async (scope) => {
    const user = await upsertIdentity(scope, seen, clock.now());
    await ensureMember(scope, { userId: user.id, provider: identity.provider, org, roles: [], groups: [] });
    return user;
  });
}
