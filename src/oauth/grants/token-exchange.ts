/**
 * Token exchange (RFC 8693): a registered client that holds a person's token of ours gets another one for them, for
 * another resource of its own organization; or an identity assertion (ID-JAG) for a foreign authorization server, this
 * gateway acting as the identity provider. Nothing gets wider on the way, and the new token names who acts (`act`).
 */

import { type JWTPayload, jwtVerify } from 'jose';
import type Provider from 'oidc-provider';
import { errors, type TokenEndpointGrantContext } from 'oidc-provider';
import { withPlatform } from '#db/scope.ts';
import { shadowOf } from '#oauth/claims.ts';
import { verifyOwnJwt } from '#oauth/introspection.ts';
import { tokenExchange } from '#oauth/program-clients.ts';
import { parseResource } from '#oauth/resource.ts';
import { findOauthRecord } from '#records/oauth-records.ts';
import { isProgramClientId, type ProgramClient } from '#records/program-clients.ts';
import { idJagTokenType, mintIdJag } from './id-jag-mint.ts';
import { type GrantDeps, getRegistered, narrowScope, refuseProof, resourceOf, rulesOf, sendToken } from './issue.ts';
import { isInOrganization } from './token-claims.ts';

const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token';
const idTokenType = 'urn:ietf:params:oauth:token-type:id_token';

export const exchangeParameters = [
  'subject_token',
  'subject_token_type',
  'requested_token_type',
  'actor_token',
  'actor_token_type',
  'audience',
  'resource',
  'scope',
] as const;

type Parameters = Partial<Record<Exclude<(typeof exchangeParameters)[number], 'resource' | 'scope'>, string>>;
export type ExchangeContext = TokenEndpointGrantContext<Parameters>;

interface Subject {
  readonly claims: JWTPayload;
  readonly grantId: string | undefined;
}

export async function exchangeToken(provider: Provider, deps: GrantDeps, ctx: ExchangeContext): Promise<void> {
  const { client, params } = ctx.oidc;
  const registered = await getRegistered(deps.db, client, 'token-exchange');
  refuseProof(ctx);
  if (params.actor_token !== undefined) throw new errors.InvalidRequest('actor_token is not supported');
  const subject = await checkSubject(deps, registered, params);
  const requested = params.requested_token_type ?? accessTokenType;
  if (requested === idJagTokenType) return sendAssertion(deps, ctx, { registered, subject });
  // It says who somebody is; what its client may do for them they were not asked.
  if (params.subject_token_type === idTokenType)
    throw new errors.InvalidRequest('an ID token is exchanged for an identity assertion only');
  if (requested !== accessTokenType) throw new errors.InvalidRequest('requested_token_type is not supported');
  const resource = resourceOf(ctx) ?? params.audience;
  await checkTarget(deps, registered, resource);
  const { claims, grantId } = subject;
  const leftSeconds = Math.floor(Number(claims.exp) - deps.clock.now() / 1000);
  const { act } = claims;
  return sendToken(provider, ctx, {
    deps,
    token: {
      client,
      accountId: String(claims.sub),
      grantId,
      grantType: tokenExchange,
      resource: resource ?? '',
      scopes: narrowScope(params.scope, [String(claims.scope ?? '').split(' '), registered.scopes]),
      seconds: Math.max(1, Math.min(deps.settings.accessTokenSeconds, leftSeconds)),
      claims: { org: registered.org, act: { sub: client.clientId, ...(act !== undefined && { act }) } },
    },
    answer: { issued_token_type: accessTokenType },
  });
}

/** A living token of a person who belongs to the client's organization, and is good there. Throws `invalid_grant`. */
async function checkSubject(deps: GrantDeps, client: ProgramClient, params: Parameters): Promise<Subject> {
  const { subject_token: token, subject_token_type: type } = params;
  if (!token || !type) throw new errors.InvalidRequest('subject_token and subject_token_type are required');
  const subject =
    type === idTokenType ? await readIdToken(deps, client, token) : await readAccessToken(deps, type, token);
  const { claims } = subject;
  const audiences = [claims.aud ?? []].flat();
  const rules = rulesOf(deps);
  const accepted = await withPlatform(deps.db, async (scope) => {
    if (claims.org !== undefined && claims.org !== client.org) return false;
    for (const resource of type === idTokenType ? [] : audiences) {
      // What a service behind another proxy was given may be exchanged for what is inside, not the other way round.
      const isOutside = parseResource(resource, rules)?.kind === 'external';
      if (!isOutside && !(await isInOrganization(scope, { rules, resource, org: client.org }))) return false;
    }
    return true;
  });
  const person = !isProgramClientId(String(claims.sub)) && (await deps.members.find(String(claims.sub), client.org));
  if (!accepted || !person) throw new errors.InvalidGrant('the subject token is not good for this client');
  return subject;
}

async function readAccessToken(deps: GrantDeps, type: string, token: string): Promise<Subject> {
  if (type !== accessTokenType) throw new errors.InvalidRequest('subject_token_type is not supported');
  const claims = await verifyOwnJwt(deps, token);
  // A token bound to a key must not be turned into one that is bound to nothing.
  if (typeof claims?.jti !== 'string' || claims.cnf !== undefined) throw new errors.InvalidGrant('not a good token');
  const by = { column: 'id', value: shadowOf(claims.jti), nowMs: deps.clock.now() } as const;
  const shadow = await findOauthRecord(deps.db, 'AccessToken', by);
  if (!shadow) throw new errors.InvalidGrant('the subject token has ended');
  return { claims, grantId: shadow.grantId };
}

/** Of a person who signed in to this very client. */
async function readIdToken(deps: GrantDeps, client: ProgramClient, token: string): Promise<Subject> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, deps.keys.find, {
      issuer: deps.issuer,
      audience: client.id,
      algorithms: ['RS256', 'ES256'],
      currentDate: new Date(deps.clock.now()),
      requiredClaims: ['exp', 'iat', 'sub'],
    });
    if ((protectedHeader.typ ?? 'JWT').toLowerCase() !== 'jwt') throw new Error('no ID token');
    return { claims: payload, grantId: undefined };
  } catch (cause) {
    throw new errors.InvalidGrant({ detail: 'not an ID token of this client', cause });
  }
}

/** One endpoint: a token for all of the gateway, or for a service beside it, would reach beyond the organization. */
async function checkTarget(deps: GrantDeps, client: ProgramClient, resource: string | undefined): Promise<void> {
  const rules = rulesOf(deps);
  const parsed = resource === undefined ? undefined : parseResource(resource, rules);
  const inside =
    resource !== undefined &&
    parsed !== undefined &&
    parsed.kind !== 'gateway' &&
    (await withPlatform(deps.db, (scope) => isInOrganization(scope, { rules, resource, org: client.org })));
  if (!inside) throw new errors.InvalidTarget("name a resource of the client's organization");
}

async function sendAssertion(
  deps: GrantDeps,
  ctx: ExchangeContext,
  { registered, subject }: { readonly registered: ProgramClient; readonly subject: Subject },
): Promise<void> {
  const { audience = '', scope } = ctx.oidc.params;
  const clientId = Object.hasOwn(registered.assertionAudiences, audience)
    ? registered.assertionAudiences[audience]
    : undefined;
  if (clientId === undefined) throw new errors.InvalidTarget('the client may get no assertion for this audience');
  const resource = resourceOf(ctx);
  const minted = await mintIdJag(deps, { subject: String(subject.claims.sub), audience, clientId, resource, scope });
  ctx.body = {
    access_token: minted.assertion,
    issued_token_type: idJagTokenType,
    token_type: 'N_A',
    expires_in: minted.expiresInSeconds,
    ...(scope !== undefined && { scope }),
  };
}
