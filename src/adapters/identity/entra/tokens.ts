import { decodeJwt, type JWTPayload } from 'jose';
import type { IdentityDeps, IdentityMode, VerifiedToken } from '#adapters/identity/identity.ts';
import { unverifiedIssuer } from '#adapters/identity/unverified-issuer.ts';
import { type CheckedToken, strictRules, verifyIdToken, verifyToken } from '#adapters/identity/verify-token.ts';
import { GatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Directories, Directory } from './directories.ts';
import type { EntraConfig } from './entra.ts';
import type { EntraClaims, People } from './people.ts';

const graphAudiences = ['00000003-0000-0000-c000-000000000000', 'https://graph.microsoft.com'];

export interface EntraTokens {
  /** Of callers. */
  verify(token: string): Promise<VerifiedToken>;
  /** Of somebody who just signed in. Throws `invalid_token`, `identity_unavailable`. */
  checkIdToken(token: string): Promise<{ readonly claims: EntraClaims; readonly directory: Directory }>;
}

export interface EntraTokensOptions extends IdentityDeps {
  readonly settings: Pick<EntraConfig, 'clientId' | 'audiences' | 'allowApplications'>;
  readonly mode: IdentityMode;
  readonly directories: Directories;
  readonly people: People;
}

/** An ID token and an access token look alike at Entra, down to `typ` and `aud`: its claims tell. */
type Kind = 'user' | 'application' | 'id-token';

export function openEntraTokens(options: EntraTokensOptions): EntraTokens {
  const { settings, mode, directories, people, clock, log } = options;
  const { clientId, audiences = [clientId, `api://${clientId}`] } = settings;
  const base = { ...strictRules, algorithms: ['RS256'], requiredClaims: ['exp', 'iat', 'sub', 'aud', 'iss'] };

  async function check(token: string, kind: Kind) {
    const issuer = unverifiedIssuer(token);
    const directory = directories.findByIssuer(issuer);
    if (issuer === undefined || !directory) throw new GatehouseError('invalid_token');
    const isIdToken = kind === 'id-token';
    // People are sent to the version 2.0 endpoints, whose ID tokens have this issuer (REQUIREMENTS S2.9).
    if (isIdToken && !issuer.endsWith('/v2.0')) throw new GatehouseError('invalid_token');
    const rules = { ...base, issuers: [issuer], audiences: isIdToken ? [clientId] : audiences };
    const verifyKind = isIdToken ? verifyIdToken : verifyToken;
    const checked = await verifyKind(token, directory.keys.find, { rules, clock });
    return { directory, checked, claims: entraClaims(checked, directory) };
  }

  return {
    async verify(token) {
      const unverified = unverifiedClaims(token);
      const kind = kindOf(unverified);
      warnOfGraph(unverified, mode, log);
      if (kind === 'application' && !settings.allowApplications) throw new GatehouseError('invalid_token');
      if (kind === 'id-token' && mode !== 'bridge') throw new GatehouseError('invalid_token');
      const { directory, checked, claims } = await check(token, kind);
      // An access token has no nonce, and an ID token one audience: what says otherwise is something else.
      if (kind === 'id-token' ? claims.aud !== clientId : claims.nonce !== undefined) {
        throw new GatehouseError('invalid_token');
      }
      const person = await people.describe(claims, directory);
      const { issuer = '', expiresAt } = checked;
      const { subject, organization, email, emailVerified, name, roles, groups } = person;
      return {
        issuer,
        subject,
        expiresAt,
        organization,
        roles,
        ...(email !== undefined && { email, ...(emailVerified && { emailVerified }) }),
        ...(name !== undefined && { name }),
        // As if they had fitted into the token.
        claims: person.overage ? { ...claims, groups } : claims,
      };
    },
    async checkIdToken(token) {
      if (kindOf(unverifiedClaims(token)) !== 'id-token') throw new GatehouseError('invalid_token');
      const { directory, claims } = await check(token, 'id-token');
      return { directory, claims };
    },
  };
}

/** `tid` must be the directory whose keys signed (SECURITY B5). */
function entraClaims({ claims }: CheckedToken, directory: Directory): EntraClaims {
  const { tid, oid, nonce } = claims;
  if (tid !== directory.tenant || typeof oid !== 'string' || !/^[\w-]{1,64}$/.test(oid)) {
    throw new GatehouseError('invalid_token');
  }
  if (nonce !== undefined && typeof nonce !== 'string') throw new GatehouseError('invalid_token');
  return { ...claims, tid, oid };
}

function kindOf(claims: JWTPayload): Kind {
  const has = (name: string) => typeof claims[name] === 'string' && claims[name] !== '';
  if (claims.idtyp === 'app') return 'application';
  if (has('scp')) return 'user';
  return has('azp') || has('appid') ? 'application' : 'id-token';
}

/** The commonest mistake by far: what Entra gives who asks for no scope of an own API. */
function warnOfGraph({ aud: audience }: JWTPayload, mode: IdentityMode, log: Log): void {
  if (typeof audience !== 'string' || !graphAudiences.includes(audience)) return;
  const next =
    mode === 'bridge'
      ? "clients must sign in through this gateway (its /oauth2/token gives them Entra's id_token in its place)"
      : 'clients must ask for a scope of the own application, such as api://<client id>/<scope>';
  log.warn({ audience }, `A token for Microsoft Graph was presented, which nobody but Graph can verify: ${next}`);
}

/** Good for choosing how to verify, and for advice; everything is checked after that. */
function unverifiedClaims(token: string): JWTPayload {
  try {
    return decodeJwt(token);
  } catch (cause) {
    throw new GatehouseError('invalid_token', { cause });
  }
}
