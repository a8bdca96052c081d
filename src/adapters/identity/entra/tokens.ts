import { decodeJwt } from 'jose';
import type { IdentityDeps, IdentityMode, VerifiedToken } from '#adapters/identity/identity.ts';
import { unverifiedIssuer } from '#adapters/identity/unverified-issuer.ts';
import { type CheckedToken, strictRules, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
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

/** Who a token speaks for. An ID token and an access token look alike at Entra, down to `typ` and `aud`: its claims tell. */
type Kind = 'user' | 'application' | 'id-token';

export function openEntraTokens(options: EntraTokensOptions): EntraTokens {
  const { settings, mode, directories, people, clock, log } = options;
  const { clientId, audiences = [clientId, `api://${clientId}`] } = settings;
  const base = { ...strictRules, algorithms: ['RS256'], requiredClaims: ['exp', 'iat', 'sub', 'aud', 'iss'] };

  async function check(token: string, rules: Pick<TokenRules, 'audiences' | 'idTokens'>) {
    const issuer = unverifiedIssuer(token);
    const directory = directories.findByIssuer(issuer);
    if (issuer === undefined || !directory) throw new GatehouseError('invalid_token');
    const all = { ...base, ...rules, issuers: [issuer] };
    const checked = await verifyToken(token, directory.keys.find, { rules: all, clock });
    return { directory, checked, claims: entraClaims(checked, directory) };
  }

  return {
    async verify(token) {
      const bridge = mode === 'bridge';
      const accepted = bridge ? [...new Set([clientId, ...audiences])] : audiences;
      const { directory, checked, claims } = await check(token, { audiences: accepted, idTokens: bridge }).catch(
        (error: unknown) => {
          warnOfGraph(token, mode, log);
          throw error;
        },
      );
      checkKind(claims, { bridge, clientId, allowApplications: settings.allowApplications });
      const person = await people.describe(claims, directory);
      const { issuer = '', expiresAt } = checked;
      const { subject, organization, email, name, roles, groups } = person;
      return {
        issuer,
        subject,
        expiresAt,
        organization,
        roles,
        ...(email !== undefined && { email }),
        ...(name !== undefined && { name }),
        // As if they had fitted into the token.
        claims: person.overage ? { ...claims, groups } : claims,
      };
    },
    async checkIdToken(token) {
      const { directory, claims } = await check(token, { audiences: [clientId], idTokens: true });
      if (kindOf(claims) !== 'id-token') throw new GatehouseError('invalid_token');
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

function checkKind(
  claims: EntraClaims,
  { bridge, clientId, allowApplications }: { bridge: boolean; clientId: string; allowApplications: boolean },
): void {
  const kind = kindOf(claims);
  const fine = {
    // Access tokens have no nonce: one that says otherwise is something else.
    user: claims.nonce === undefined,
    application: allowApplications,
    'id-token': bridge && claims.aud === clientId,
  };
  if (!fine[kind]) throw new GatehouseError('invalid_token');
}

function kindOf(claims: EntraClaims): Kind {
  const has = (name: string) => typeof claims[name] === 'string' && claims[name] !== '';
  if (claims.idtyp === 'app') return 'application';
  if (has('scp')) return 'user';
  return has('azp') || has('appid') ? 'application' : 'id-token';
}

/** The commonest mistake by far: what Entra gives who asks for no scope of an own API. */
function warnOfGraph(token: string, mode: IdentityMode, log: Log): void {
  const audience = unverifiedAudience(token);
  if (audience === undefined || !graphAudiences.includes(audience)) return;
  const next =
    mode === 'bridge'
      ? "clients must sign in through this gateway (its /oauth2/token gives them Entra's id_token in its place)"
      : 'clients must ask for a scope of the own application, such as api://<client id>/<scope>';
  log.warn({ audience }, `A token for Microsoft Graph was presented, which nobody but Graph can verify: ${next}`);
}

function unverifiedAudience(token: string): string | undefined {
  try {
    const { aud } = decodeJwt(token);
    return typeof aud === 'string' ? aud : undefined;
  } catch {
    return undefined;
  }
}
