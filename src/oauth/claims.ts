/** What our access tokens say (RFC 9068 2.2, REQUIREMENTS S1.17): who somebody is, never what they may do. */
import type { JWTPayload } from 'jose';
import type { AccessToken, ClientCredentials } from 'oidc-provider';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { type OauthRecord, upsertOauthRecord } from '#records/oauth-records.ts';
import { findUser, type User } from '#records/users.ts';
import type { Members } from './members.ts';
import { digestOf } from './record-store.ts';
import { parseResource, type ResourceRules } from './resource.ts';
import { pendingWrites } from './token-writes.ts';

export interface ClaimsDeps {
  readonly db: Db;
  readonly members: Members;
  readonly rules: ResourceRules;
}

type IssuedToken = AccessToken | ClientCredentials;

/** Where the row of the token with this `jti` lies. */
export const shadowOf = (jti: string): string => digestOf(`jwt.${jti}`);

/** `user`: where the request looked them up already. */
export async function addClaims(
  { db, members, rules }: ClaimsDeps,
  {
    token,
    payload,
    user,
    granted = {},
  }: {
    readonly token: IssuedToken;
    readonly payload: JWTPayload;
    readonly user: User | undefined;
    /** What the grant itself decided. */
    readonly granted?: Readonly<Record<string, unknown>>;
  },
): Promise<void> {
  payload.aud ??= rules.baseUrl;
  payload.azp = token.clientId;
  const subject = 'accountId' in token ? token.accountId : undefined;
  const person = user ?? (subject === undefined ? undefined : await findPerson(db, subject));
  if (person) {
    const { username, email, name } = person;
    Object.assign(
      payload,
      username !== undefined && { username },
      email !== undefined && { email },
      name !== undefined && { name },
    );
    const org = granted.org ?? (await members.organizationFor(person, pathOf(payload.aud, rules)));
    if (org !== undefined) payload.org = org;
  }
  Object.assign(payload, granted);
  await keepShadow(db, token, payload);
}

const findPerson = (db: Db, subject: string) =>
  withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: subject }));

function pathOf(audience: string | string[], rules: ResourceRules) {
  const resource = parseResource([audience].flat()[0] ?? '', rules);
  return resource?.kind === 'endpoint' ? resource.path : undefined;
}

/** JWTs are never stored by the library: a row of their own makes them revocable, and lets them be introspected. */
async function keepShadow(db: Db, token: IssuedToken, payload: JWTPayload): Promise<void> {
  const shadow: OauthRecord = {
    model: 'AccessToken',
    id: shadowOf(String(payload.jti)),
    payload: { kind: 'AccessToken', clientId: token.clientId, scope: token.scope, aud: payload.aud },
    clientId: token.clientId,
    accountId: 'accountId' in token ? token.accountId : undefined,
    grantId: 'grantId' in token ? token.grantId : undefined,
    expiresAt: Number(payload.exp) * 1000,
  };
  const pending = pendingWrites();
  if (pending) pending.inserted.push(shadow);
  else await upsertOauthRecord(db, shadow);
}
