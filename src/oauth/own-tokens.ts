/** Our own access tokens (RFC 9068) on their way back in: as one more identity provider, whose issuer is this gateway. */
import type { JWTVerifyGetKey } from 'jose';
import type { IdentityProvider } from '#adapters/identity/identity.ts';
import { type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { findLiveToken } from '#records/oauth-records.ts';
import { findProgramClient, isProgramClientId } from '#records/program-clients.ts';
import { listOrganizationsOf } from '#records/users.ts';
import type { Members } from './members.ts';
import { ownKind } from './settings.ts';

export interface OwnTokensDeps {
  readonly issuer: string;
  readonly db: Db;
  readonly clock: Clock;
  readonly key: JWTVerifyGetKey;
  readonly members: Members;
  /** Where the shadow of the token with this `jti` lies. */
  readonly shadowOf: (jti: string) => string;
  readonly isOurResource: (audience: string) => boolean;
}

export function openOwnTokens(deps: OwnTokensDeps): IdentityProvider {
  const { issuer, db, clock, members } = deps;
  const rules: TokenRules = {
    issuers: [issuer],
    audiences: 'unchecked',
    algorithms: ['RS256', 'ES256'],
    types: ['at+jwt'],
    subjectClaims: ['sub'],
    requiredClaims: ['exp', 'iat', 'sub', 'aud', 'jti', 'client_id'],
    maxLifetimeSeconds: 24 * 3600,
  };
  return {
    kind: ownKind,
    name: ownKind,
    title: 'Gatehouse',
    mode: 'direct',
    issuers: [issuer],
    authorizationServer: issuer,
    namesOrganizationsBy: 'id',
    async verify(token) {
      const { claims, subject, expiresAt } = await verifyToken(token, deps.key, { clock, rules });
      const audiences = [claims.aud ?? []].flat();
      if (!audiences.some(deps.isOurResource)) throw new GatehouseError('invalid_token');
      const tokenId = deps.shadowOf(claims.jti ?? '');
      const live = await findLiveToken(db, { id: tokenId, nowMs: clock.now() });
      if (!live || (live.user && live.user.subject !== subject)) throw new GatehouseError('invalid_token');
      const organization = textOf(claims.org);
      const { user } = live;
      return {
        issuer,
        subject,
        expiresAt,
        claims,
        tokenId,
        scopes: (textOf(claims.scope) ?? '').split(' ').filter(Boolean),
        ...(user && { userId: user.id }),
        ...(organization !== undefined && { organization }),
        ...(user?.email !== undefined && { email: user.email }),
        ...(user?.name !== undefined && { name: user.name }),
      };
    },
    memberships: (subject, org) => members.find(subject, org),
    async organizations(subject) {
      return withPlatform(db, async (scope) => {
        if (isProgramClientId(subject)) return [(await findProgramClient(scope, subject))?.org ?? []].flat();
        return listOrganizationsOf(scope, subject);
      });
    },
    close: async () => undefined,
  };
}

const textOf = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
