/**
 * What a client says of itself, put into the form we keep, from a registration (RFC 7591 2) or a metadata document. What
 * is not listed here is ignored; unknown scopes and grants are dropped. Whether the rest is valid the library decides.
 */
import { errors } from 'oidc-provider';
import { z } from 'zod';
import { type RedirectKind, redirectKindOf } from './redirect-uri.ts';

const word = z.string().max(256);
const link = z.string().max(2048);
const list = z.array(z.string()).max(50);

const stated = z.object({
  redirect_uris: list.optional(),
  // Kept as far as anybody would read it.
  client_name: z
    .string()
    .transform((name) => name.slice(0, 256).toWellFormed())
    .optional(),
  client_uri: link.optional(),
  logo_uri: link.optional(),
  tos_uri: link.optional(),
  policy_uri: link.optional(),
  contacts: z.array(word).max(20).optional(),
  scope: link.optional(),
  grant_types: list.optional(),
  response_types: list.optional(),
  token_endpoint_auth_method: word.optional(),
  token_endpoint_auth_signing_alg: word.optional(),
  application_type: word.optional(),
  jwks_uri: link.optional(),
  jwks: z.record(z.string(), z.unknown()).optional(),
  dpop_bound_access_tokens: z.boolean().optional(),
  require_pushed_authorization_requests: z.boolean().optional(),
});

export type ClientMetadata = Omit<z.output<typeof stated>, 'redirect_uris' | 'grant_types' | 'response_types'> &
  Readonly<{
    redirect_uris: readonly string[];
    grant_types: readonly string[];
    response_types: readonly string[];
    token_endpoint_auth_method: string;
    application_type: string;
    scope: string;
  }>;

export interface MetadataRules {
  /** All the server knows. */
  readonly scopes: readonly string[];
  /** Where the client names none: RFC 7591 2 for a registration, nothing secret for a document. */
  readonly defaultAuthMethod: 'client_secret_basic' | 'none';
}

const deviceGrant = 'urn:ietf:params:oauth:grant-type:device_code';
/**
 * What anybody may have. Not client_credentials, token exchange or assertions: those act without a person agreeing, so an
 * administrator gives them.
 */
const openGrants: ReadonlySet<string> = new Set(['authorization_code', 'refresh_token', deviceGrant]);
const defaultGrants = ['authorization_code', 'refresh_token'];
/** What the answer says where the client names no scope. No limit: what is granted is what is asked for and agreed to. */
const defaultScope = 'openid profile email';

/** Throws the library's InvalidClientMetadata and InvalidRedirectUri, with a description for the client's author. */
export function parseClientMetadata(body: unknown, rules: MetadataRules): ClientMetadata {
  const given = readStated(body);
  const grants = (given.grant_types ?? []).filter((grant) => openGrants.has(grant));
  const grant_types = grants.length > 0 ? grants : defaultGrants;
  const onlyDevice = grant_types.includes(deviceGrant) && !grant_types.includes('authorization_code');
  const redirect_uris = [...new Set(given.redirect_uris)];
  if (redirect_uris.length === 0 && !onlyDevice) invalid('a client needs at least one of redirect_uris');
  const kinds = redirect_uris.map(checkRedirectUri);
  return {
    ...given,
    redirect_uris,
    grant_types,
    response_types: responseTypes(given.response_types, redirect_uris.length > 0),
    token_endpoint_auth_method: given.token_endpoint_auth_method ?? rules.defaultAuthMethod,
    application_type: applicationType(given.application_type, kinds),
    scope: knownScopes(given.scope, rules.scopes),
  };
}

/** What of it the library is told: a registered scope is what the client expects, not a limit that would stop a step-up. */
export function forLibrary({ scope: _expected, ...metadata }: Readonly<Record<string, unknown>>) {
  return metadata;
}

function readStated(body: unknown): z.output<typeof stated> {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return invalid('client metadata must be a JSON object');
  // RFC 7592 2.2: null and empty mean "not given".
  const said = Object.entries(body).filter(([, value]) => value !== null && value !== '');
  const parsed = stated.safeParse(Object.fromEntries(said));
  if (parsed.success) {
    // PostgreSQL takes neither, and no honest client has them.
    if (/\\u0000|\\ud[89a-f]/.test(JSON.stringify(parsed.data)))
      return invalid('client metadata: characters that are none');
    return parsed.data;
  }
  const [issue] = parsed.error.issues;
  return invalid(`client metadata: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`);
}

function checkRedirectUri(uri: string): RedirectKind {
  const kind = redirectKindOf(uri);
  if (kind) return kind;
  throw new errors.InvalidRedirectUri(
    "redirect_uris may be https, http on localhost, 127.0.0.1 or [::1], or an application's own scheme; without fragment, user name or wildcard",
  );
}

/** Loopback ports are only let vary for `native` (RFC 8252 7.3), and web clients have no schemes of their own. */
function applicationType(given: string | undefined, kinds: readonly RedirectKind[]): string {
  return kinds.some((kind) => kind !== 'https') ? 'native' : (given ?? 'web');
}

function responseTypes(given: readonly string[] | undefined, redirects: boolean): readonly string[] {
  if (!redirects) return [];
  if (given === undefined || given.length === 0 || given.includes('code')) return ['code'];
  return invalid('response_types must include code');
}

function knownScopes(given: string | undefined, known: readonly string[]): string {
  const kept = (given ?? '').split(/\s+/).filter((scope) => known.includes(scope));
  return kept.length > 0 ? [...new Set(kept)].join(' ') : defaultScope;
}

function invalid(description: string): never {
  throw new errors.InvalidClientMetadata(description);
}
