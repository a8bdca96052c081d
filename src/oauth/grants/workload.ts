/**
 * Workload identity (RFC 7523 2.1): a program brings an assertion of the platform it runs on (a cluster, a build service)
 * and gets an access token as a service account. Operators trust issuers; an organization says which subjects of one, with
 * which audience, are its service account. No secret is kept anywhere; no refresh token: the platform is asked again.
 */
import type Provider from 'oidc-provider';
import { type Adapter, type AdapterPayload, errors } from 'oidc-provider';
import type { RemoteKeys } from '#adapters/identity/jwks.ts';
import { asymmetricAlgorithms, verifyToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { jwtBearer } from '#oauth/program-clients.ts';
import { findOrganization } from '#records/organizations.ts';
import {
  findServiceAccount,
  isServiceAccountSubject,
  isSubjectOf,
  type ServiceAccount,
  type Workload,
} from '#records/service-accounts.ts';
import {
  type AssertionContext,
  chooseResource,
  openIssuerKeys,
  refusedAssertion as refused,
  unverifiedIssuerOf,
} from './assertions.ts';
import { type GrantDeps, narrowScope, refuseProof, resourceOf, sendToken } from './issue.ts';

/** Seconds: platforms give out tokens of a day and less. */
const maxLifetimeSeconds = 86_400;

/** Answers whether the request was one of a workload. */
export function openWorkloadGrant(provider: Provider, deps: GrantDeps): (ctx: AssertionContext) => Promise<boolean> {
  const trusted = new Map(
    deps.settings.workloadIssuers.map((entry) => [
      entry.issuer,
      openIssuerKeys(deps, { issuer: entry.issuer, jwksUrl: entry.jwksUrl }),
    ]),
  );
  return async (ctx) => {
    const { client, params } = ctx.oidc;
    if (!isServiceAccountSubject(client.clientId)) return false;
    refuseProof(ctx);
    if (!params.assertion) throw new errors.InvalidRequest('assertion is required');
    const account = await withPlatform(deps.db, (scope) => findServiceAccount(scope, client.clientId));
    const issuer = unverifiedIssuerOf(params.assertion) ?? '';
    const keys = trusted.get(issuer);
    const workloads = account?.workloads.filter((workload) => workload.issuer === issuer) ?? [];
    if (!account?.active || !keys || workloads.length === 0)
      throw refused('the issuer is not trusted for this account');
    await checkAssertion(deps, { keys, workloads, assertion: params.assertion });
    const { resource, scopes } = await choose(deps, ctx, account);
    await sendToken(provider, ctx, {
      deps,
      token: {
        client,
        accountId: account.subject,
        grantId: undefined,
        grantType: jwtBearer,
        resource,
        scopes,
        seconds: deps.settings.accessTokenSeconds,
        claims: { org: account.org },
      },
      answer: {},
    });
    return true;
  };
}

interface Checking {
  readonly keys: RemoteKeys;
  readonly workloads: readonly Workload[];
  readonly assertion: string;
}

async function checkAssertion({ clock }: GrantDeps, { keys, workloads, assertion }: Checking): Promise<void> {
  const [{ issuer } = { issuer: '' }] = workloads;
  const { claims, subject } = await verifyToken(assertion, keys.find, {
    clock,
    rules: {
      issuers: [issuer],
      audiences: workloads.map(({ audience }) => audience),
      algorithms: asymmetricAlgorithms,
      types: ['jwt'],
      subjectClaims: ['sub'],
      requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat'],
      maxLifetimeSeconds,
    },
  }).catch((thrown: unknown) => {
    if (thrown instanceof GatehouseError && thrown.code === 'identity_unavailable')
      throw new errors.TemporarilyUnavailable("the issuer's keys cannot be had");
    throw refused('the assertion is not valid', thrown);
  });
  const audiences = [claims.aud ?? []].flat();
  // Audience and subject of the very same rule.
  const isTrusted = workloads.some(
    (workload) => audiences.includes(workload.audience) && isSubjectOf(workload, subject),
  );
  if (!isTrusted) throw refused('the subject is not trusted for this account');
}

async function choose(deps: GrantDeps, ctx: AssertionContext, account: ServiceAccount) {
  const organization = await withPlatform(deps.db, (scope) => findOrganization(scope, account.org));
  if (!organization) throw refused('the organization was removed');
  const resource = await chooseResource(deps, { named: undefined, asked: resourceOf(ctx), organization });
  return { resource, scopes: narrowScope(ctx.oidc.params.scope, []) };
}

/** The storage, answering for service accounts as clients: public ones, whose assertion is all that they have. */
export function withServiceAccounts(open: (model: string) => Adapter, db: Db): (model: string) => Adapter {
  return (model) => {
    const inner = open(model);
    if (model !== 'Client') return inner;
    return {
      upsert: (id, payload, expiresIn) => inner.upsert(id, payload, expiresIn),
      findByUid: (uid) => inner.findByUid(uid),
      findByUserCode: (code) => inner.findByUserCode(code),
      consume: (id) => inner.consume(id),
      destroy: (id) => inner.destroy(id),
      revokeByGrantId: (id) => inner.revokeByGrantId(id),
      async find(id) {
        if (!isServiceAccountSubject(id)) return inner.find(id);
        const account = await withPlatform(db, (scope) => findServiceAccount(scope, id));
        return account?.active && account.workloads.length > 0 ? metadataOf(account) : undefined;
      },
    };
  };
}

const metadataOf = ({ subject, name }: ServiceAccount): AdapterPayload => ({
  client_id: subject,
  client_name: name,
  application_type: 'web',
  grant_types: [jwtBearer],
  response_types: [],
  redirect_uris: [],
  scope: 'mcp:read mcp:write mcp:session',
  token_endpoint_auth_method: 'none',
});
