/**
 * Introspection (RFC 7662) and revocation (RFC 7009) of our JWTs. oidc-provider knows neither: it authenticates the
 * client and finds the token's shadow row (own-tokens.ts) under the name that is put in the place of the verified JWT.
 * Who may look: the client that a token was issued to, and registered resource servers. For everybody else, and for
 * whatever is no living token of ours, the answer is the same.
 */
import type { JWTPayload } from 'jose';
import type Provider from 'oidc-provider';
import type { AccessToken, Client, ClientCredentials, RefreshToken } from 'oidc-provider';
import { verifyToken } from '#adapters/identity/verify-token.ts';
import type { Clock } from '#core/clock.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { findUser } from '#records/users.ts';
import { readForm, replaceForm } from './form.ts';
import { findOwnClient } from './program-clients.ts';
import { digestOf } from './record-store.ts';
import { readsOf } from './request-reads.ts';
import type { SigningKeys } from './signing-keys.ts';

type AnyToken = AccessToken | ClientCredentials | RefreshToken;

export interface IntrospectionDeps {
  readonly issuer: string;
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: SigningKeys;
}

/** Claims of the JWT that this request presents, */
const presented = new WeakMap<object, JWTPayload>();
/** and the row that was found for it. */
const found = new WeakMap<object, AnyToken>();
/** No token has it: what is presented without being one of ours is looked up by this. */
const nobody = 'none';

/** Claims of an unexpired JWT that our keys signed; undefined for anything else. Says nothing of its being revoked. */
export async function verifyOwnJwt(
  { issuer, keys, clock }: Omit<IntrospectionDeps, 'db'>,
  token: string,
  types: readonly string[] = ['at+jwt'],
): Promise<JWTPayload | undefined> {
  try {
    const checked = await verifyToken(token, keys.find, {
      clock,
      rules: {
        issuers: [issuer],
        audiences: 'unchecked',
        algorithms: ['RS256', 'ES256'],
        types,
        subjectClaims: ['sub'],
        requiredClaims: ['exp', 'iat', 'sub', 'aud'],
        maxLifetimeSeconds: undefined,
      },
    });
    return checked.claims;
  } catch {
    return undefined;
  }
}

/** Before the provider: JWTs become names of their shadows. After it: the fields that S1.20 wants. */
export function introspectJwts(provider: Provider, deps: IntrospectionDeps, paths: readonly string[]): void {
  provider.use(async (ctx, next) => {
    if (ctx.method !== 'POST' || !paths.includes(ctx.path)) return next();
    const form = await readForm(ctx);
    if (form && form.getAll('token').length <= 1) {
      const token = form.get('token') ?? '';
      form.set('token', await nameOf(ctx, deps, token));
      // Ours are easily told apart: nothing is looked up that it can't be.
      form.set('token_type_hint', presented.has(ctx) ? 'access_token' : 'refresh_token');
      replaceForm(ctx, form);
    }
    await next();
    const body: unknown = ctx.body;
    if (ctx.status === 200 && typeof body === 'object' && body !== null && 'active' in body && body.active === true) {
      ctx.body = await describe(ctx, deps, { ...body });
    }
  });
}

async function nameOf(ctx: object, deps: IntrospectionDeps, token: string): Promise<string> {
  // Whoever knows a `jti` must not reach its shadow by name.
  if (token === '' || token.startsWith('jwt.')) return nobody;
  if (!token.includes('.')) return token;
  const claims = await verifyOwnJwt(deps, token);
  if (typeof claims?.jti !== 'string') return nobody;
  presented.set(ctx, claims);
  return `jwt.${claims.jti}`;
}

async function describe(
  ctx: object,
  deps: IntrospectionDeps,
  body: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  const claims = presented.get(ctx);
  const token = found.get(ctx);
  const refreshToken = token?.kind === 'RefreshToken' ? token : undefined;
  const sub = claims?.sub ?? refreshToken?.accountId;
  const holder = await findHolder(deps.db, ctx, sub);
  // Whoever may not come in any more has no living token, whatever its row says.
  if (!holder) return { active: false };
  const { username } = holder;
  if (claims) {
    const { scope, client_id, exp, iat, aud, iss, jti, org, act, cnf } = claims;
    const token_type = cnf === undefined ? 'Bearer' : 'DPoP';
    return clean({ active: true, scope, client_id, username, token_type, exp, iat, sub, aud, iss, jti, org, act, cnf });
  }
  // A refresh token is its own identifier: what it goes by here is its digest.
  const jti = refreshToken && digestOf(refreshToken.jti);
  return clean({ ...body, username, aud: refreshToken?.resource, iss: deps.issuer, jti });
}

/** undefined: not here, or not any more. */
async function findHolder(
  db: Db,
  ctx: object,
  subject: string | undefined,
): Promise<{ readonly username: string | undefined } | undefined> {
  if (subject === undefined) return undefined;
  const program = await findOwnClient(db, subject, ctx);
  if (program) return { username: program.name };
  const user =
    readsOf(ctx).users.get(subject) ??
    (await withPlatform(db, (scope) => findUser(scope, { column: 'subject', value: subject })));
  return user?.active ? { username: user.username ?? user.name } : undefined;
}

const clean = (fields: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

/** A client sees its own tokens; a registered resource server those for its resources in its own organization. */
export async function mayIntrospect(
  db: Db,
  ctx: object,
  { client, token }: { readonly client: Client; readonly token: AnyToken },
): Promise<boolean> {
  found.set(ctx, token);
  if (token.clientId === client.clientId) return true;
  const claims = presented.get(ctx);
  if (!claims || client.clientAuthMethod === 'none') return false;
  const registered = await findOwnClient(db, client.clientId, ctx);
  const audiences = [claims.aud ?? []].flat();
  return (
    registered !== undefined &&
    claims.org === registered.org &&
    registered.introspects.some((resource) => audiences.includes(resource))
  );
}

/** Others' tokens are left alone, without a word: the answer is the one for a token that isn't there. */
export const mayRevoke = (client: Client, token: AnyToken): boolean => token.clientId === client.clientId;
