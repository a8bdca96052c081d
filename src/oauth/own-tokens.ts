/** Our own access tokens (RFC 9068) on their way back in: as one more identity provider, whose issuer is this gateway. */
import { createLocalJWKSet, type JSONWebKeySet } from 'jose';
import type { IdentityProvider, Membership } from '#adapters/identity/identity.ts';
import { verifyToken } from '#adapters/identity/verify-token.ts';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { findOauthRecord } from '#records/oauth-records.ts';
import { isServiceClientId } from '#records/service-clients.ts';
import { findUser, listMemberships } from '#records/users.ts';
import { findServiceMembership } from './service-clients.ts';

export const ownKind = 'gatehouse';

export interface OwnTokensDeps {
  readonly issuer: string;
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: () => JSONWebKeySet;
  /** Where the shadow of the token with this `jti` lies. */
  readonly shadowOf: (jti: string) => string;
  readonly isOurResource: (audience: string) => boolean;
}

export function openOwnTokens(deps: OwnTokensDeps): IdentityProvider {
  const { issuer, db, clock } = deps;
  return {
    kind: ownKind,
    name: ownKind,
    title: 'Gatehouse',
    mode: 'direct',
    issuers: [issuer],
    authorizationServer: issuer,
    namesOrganizationsBy: 'id',
    async verify(token) {
      const checked = await verifyToken(token, createLocalJWKSet(deps.keys()), {
        clock,
        rules: {
          issuers: [issuer],
          audiences: 'unchecked',
          algorithms: ['RS256', 'ES256'],
          types: ['at+jwt'],
          subjectClaims: ['sub'],
          requiredClaims: ['exp', 'iat', 'sub', 'aud', 'jti', 'client_id'],
          maxLifetimeSeconds: 24 * 3600,
        },
      });
      const { claims, subject, expiresAt } = checked;
      const audiences = [claims.aud ?? []].flat();
      if (!audiences.some(deps.isOurResource)) throw new GatehouseError('invalid_token');
      const tokenId = deps.shadowOf(claims.jti ?? '');
      const alive = await findOauthRecord(db, 'AccessToken', { column: 'id', value: tokenId, nowMs: clock.now() });
      if (!alive) throw new GatehouseError('invalid_token');
      const user = await withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: subject }));
      if (user && !user.active) throw new GatehouseError('invalid_token');
      const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
      const organization = text(claims.org);
      return {
        issuer,
        subject,
        expiresAt,
        claims,
        tokenId,
        scopes: (text(claims.scope) ?? '').split(' ').filter(Boolean),
        ...(user && { userId: user.id }),
        ...(organization !== undefined && { organization }),
        ...(user?.email !== undefined && { email: user.email }),
        ...(user?.name !== undefined && { name: user.name }),
      };
    },
    async memberships(subject, org): Promise<Membership | undefined> {
      return withPlatform(db, async (scope) => {
        if (isServiceClientId(subject)) return findServiceMembership(scope, subject, org);
        const user = await findUser(scope, { column: 'subject', value: subject });
        if (!user?.active) return undefined;
        const found = (await listMemberships(scope, user.id)).find((membership) => membership.org === org);
        return found && { roles: found.roles };
      });
    },
    close: async () => undefined,
  };
}
