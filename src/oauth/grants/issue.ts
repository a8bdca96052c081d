/** What the grants of this folder have in common: who may use them, and how their access tokens are made. */
import { randomUUID } from 'node:crypto';
import type Provider from 'oidc-provider';
import { type Client, errors, type TokenEndpointGrantContext } from 'oidc-provider';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { NameHosts } from '#core/name-hosts.ts';
import type { Db } from '#db/schema.ts';
import type { Members } from '#oauth/members.ts';
import { findOwnClient } from '#oauth/program-clients.ts';
import type { ResourceRules } from '#oauth/resource.ts';
import { mcpScopes, type OauthSettings } from '#oauth/settings.ts';
import type { SigningKeys } from '#oauth/signing-keys.ts';
import { upsertOauthRecord } from '#records/oauth-records.ts';
import type { ProgramClient, ProgramGrant } from '#records/program-clients.ts';
import { addClaims } from './token-claims.ts';

export interface GrantDeps {
  readonly issuer: string;
  readonly settings: OauthSettings;
  readonly nameHosts?: NameHosts | undefined;
  readonly db: Db;
  readonly keys: SigningKeys;
  readonly members: Members;
  readonly clock: Clock;
  readonly log: Log;
  /** For issuers' keys: guarded. */
  readonly fetch: typeof globalThis.fetch;
}

export const rulesOf = ({ issuer, settings, nameHosts }: GrantDeps): ResourceRules => ({
  baseUrl: issuer,
  external: settings.resources,
  nameHosts,
});

/** The authenticated client, where operators gave it this grant. Throws `unauthorized_client`. */
export async function getRegistered(db: Db, client: Client, grant: ProgramGrant): Promise<ProgramClient> {
  const registered = await findOwnClient(db, client.clientId);
  if (!registered?.grants.includes(grant) || client.clientAuthMethod === 'none') throw new errors.UnauthorizedClient();
  return registered;
}

/** Sender-constrained tokens come from the grants of the provider itself; a proof must not be passed over in silence. */
export function refuseProof(ctx: TokenEndpointGrantContext): void {
  if (ctx.get('DPoP') !== '') throw new errors.InvalidRequest('DPoP is not supported with this grant type');
}

/** The one `resource` asked for. Throws `invalid_target`. */
export function resourceOf({ oidc }: TokenEndpointGrantContext): string | undefined {
  const [resource, ...more] = [oidc.params.resource ?? []].flat();
  if (more.length > 0) throw new errors.InvalidTarget('one resource at a time');
  return resource;
}

/** What is asked for and in every one of `ceilings`; undefined asks for, or allows, all. Throws `invalid_scope`. */
export function narrowScope(
  asked: string | undefined,
  ceilings: readonly (readonly string[] | undefined)[],
): readonly string[] {
  const wanted = asked?.split(' ').filter(Boolean) ?? mcpScopes;
  const scopes = mcpScopes.filter(
    (scope) => wanted.includes(scope) && ceilings.every((ceiling) => ceiling?.includes(scope) ?? true),
  );
  if (scopes.length === 0) throw new errors.InvalidScope('nothing of the requested scope is granted', asked ?? '');
  return scopes;
}

export interface NewToken {
  readonly client: Client;
  /** `sub`. */
  readonly accountId: string;
  /** It ends with this grant; none: with its time, or by revocation. */
  readonly grantId: string | undefined;
  readonly grantType: string;
  readonly resource: string;
  readonly scopes: readonly string[];
  readonly seconds: number;
  readonly claims: Readonly<Record<string, unknown>>;
}

/** Signs the token, keeps its shadow, and answers it. */
export async function sendToken(
  provider: Provider,
  ctx: TokenEndpointGrantContext,
  {
    deps: { db, settings, clock, keys },
    token,
    answer,
  }: {
    readonly deps: GrantDeps;
    readonly token: NewToken;
    readonly answer: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  const scope = token.scopes.join(' ');
  const { client, accountId } = token;
  const expiresAt = clock.now() + token.seconds * 1000;
  const grantId = token.grantId ?? (await insertGrant(db, { clientId: client.clientId, accountId, expiresAt }));
  const accessToken = new provider.AccessToken({
    client,
    accountId,
    grantId,
    gty: token.grantType,
    scope,
    expiresIn: token.seconds,
    resourceServer: new provider.ResourceServer(token.resource, {
      scope,
      audience: token.resource,
      accessTokenFormat: 'jwt',
      accessTokenTTL: token.seconds,
      jwt: { sign: { alg: settings.signingAlgorithm, kid: keys.current[0]?.jwk.kid } },
    }),
  });
  addClaims(accessToken, token.claims);
  const value = await accessToken.save();
  ctx.body = { access_token: value, token_type: 'Bearer', expires_in: token.seconds, scope, ...answer };
}

/** Every token of a person hangs on a grant. */
async function insertGrant(
  db: Db,
  grant: { readonly clientId: string; readonly accountId: string; readonly expiresAt: number },
): Promise<string> {
  const id = randomUUID();
  const { clientId, accountId } = grant;
  await upsertOauthRecord(db, {
    model: 'Grant',
    id,
    grantId: id,
    ...grant,
    payload: { kind: 'Grant', clientId, accountId },
  });
  return id;
}
