/**
 * The authorization server of a vendor whose MCP server people use with accounts of their own, with what is particular of
 * the vendor. Whoever is sent to it is the person of `signedInAs` and agrees at once.
 */
import { createHash, randomBytes } from 'node:crypto';
import {
  type FakeReply,
  type FakeServer,
  fieldsOf,
  type RecordedRequest,
  redirectTo,
  startFakeServer,
} from '#kit/identity/fake-server.ts';

/**
 * `standard`: as MCP has it (metadata, registration, documents, PKCE, resource, iss, rotating refresh tokens).
 * `github`: no metadata, refusals with status 200, tokens of 8 h with a refresh token (`forever`: without either).
 * `atlassian`: no metadata, refresh tokens rotate and come with offline_access only, wants an audience.
 * `google`: no metadata, a refresh token with the first consent only unless asked for consent again; it stays the same.
 */
export type Vendor = 'standard' | 'github' | 'atlassian' | 'google';

export interface FakeAuthorizationServer extends FakeServer {
  readonly issuer: string;
  /** Who sits in front of the browser. */
  signedInAs: string;
  /** Seconds that tokens are good for; undefined: it doesn't say, and they are. */
  lifeSeconds: number | undefined;
  /** The person says no. */
  denies: boolean;
  /** In the answer to the browser, instead of its own. */
  issSaid: string | undefined;
  /** In its metadata, instead of its own. */
  issuerSaid: string | undefined;
  /** Over what its metadata says. */
  metadata: Readonly<Record<string, unknown>>;
  readonly client: { readonly id: string; readonly secret: string };
  /** Whose a token is, if it is good; with its scopes and resource. */
  look(token: string): Issued | undefined;
  /** All tokens of the person end; `refresh`: what renews them too. */
  revoke(person: string, what?: 'access' | 'refresh'): void;
  /** Refresh tokens that were used a second time. */
  readonly reused: number;
  /** Everything secret that it ever gave out. */
  readonly secrets: readonly string[];
}

export interface Issued {
  readonly person: string;
  readonly scopes: readonly string[];
  readonly resource: string | undefined;
}

interface Code extends Issued {
  readonly challenge: string | undefined;
  readonly redirectUri: string;
  readonly clientId: string;
  readonly refreshes: boolean;
}

const fail = (status: number, error: string): FakeReply => ({ status, body: { error, error_description: 'no' } });

export async function startFakeAuthorizationServer(
  vendor: Vendor = 'standard',
  { now = () => Date.now() }: { readonly now?: () => number } = {},
): Promise<FakeAuthorizationServer> {
  const codes = new Map<string, Code>();
  const tokens = new Map<string, Issued & { readonly until: number }>();
  const renewals = new Map<string, Code>();
  const spent = new Set<string>();
  const consented = new Set<string>();
  const secrets: string[] = [];
  const clients = new Map<string, { readonly secret: string | undefined; readonly redirects: readonly string[] }>();
  const make = (prefix: string) => {
    const made = `${prefix}_${randomBytes(18).toString('base64url')}`;
    secrets.push(made);
    return made;
  };
  const own = { id: 'app-client', secret: make('appsecret') };
  const state = {
    signedInAs: 'nobody',
    lifeSeconds: 3600 as number | undefined,
    denies: false,
    issSaid: undefined as string | undefined,
    issuerSaid: undefined as string | undefined,
    metadata: {} as Readonly<Record<string, unknown>>,
    reused: 0,
  };
  const isKnown = vendor === 'standard';
  const refusal = (error: string) => fail(vendor === 'github' ? 200 : 400, error);

  function metadata(issuer: string) {
    return {
      issuer: state.issuerSaid ?? issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      registration_endpoint: `${issuer}/register`,
      revocation_endpoint: `${issuer}/revoke`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      token_endpoint_auth_methods_supported: ['none', 'client_secret_basic', 'client_secret_post'],
      authorization_response_iss_parameter_supported: true,
      client_id_metadata_document_supported: true,
      ...state.metadata,
    };
  }

  function authorize({ query }: RecordedRequest, issuer: string): FakeReply {
    const given = (name: string) => query.get(name) ?? undefined;
    const redirectUri = given('redirect_uri') ?? '';
    const back = new URL(redirectUri);
    back.searchParams.set('state', given('state') ?? '');
    if (isKnown) back.searchParams.set('iss', state.issSaid ?? issuer);
    if (state.denies) {
      back.searchParams.set('error', 'access_denied');
      return redirectTo(back.href);
    }
    if (vendor === 'atlassian' && given('audience') !== 'api.atlassian.com') return fail(400, 'invalid_request');
    const scopes = (given('scope') ?? '').split(' ').filter(Boolean);
    const isFirst = !consented.has(state.signedInAs) || given('prompt') === 'consent';
    consented.add(state.signedInAs);
    const refreshes =
      vendor === 'atlassian'
        ? scopes.includes('offline_access')
        : vendor === 'google'
          ? given('access_type') === 'offline' && isFirst
          : state.lifeSeconds !== undefined;
    const code = make('code');
    codes.set(code, {
      ...{ person: state.signedInAs, scopes, refreshes, redirectUri },
      resource: given('resource'),
      challenge: given('code_challenge'),
      clientId: given('client_id') ?? '',
    });
    back.searchParams.set('code', code);
    return redirectTo(back.href);
  }

  function token(request: RecordedRequest): FakeReply {
    const fields = fieldsOf(request);
    const basic = /^Basic (.*)$/.exec(request.headers.authorization ?? '')?.[1];
    const [id, secret] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [fields.client_id, fields.client_secret];
    const known = id === own.id ? { secret: own.secret } : clients.get(id ?? '');
    const isDocument = isKnown && id?.endsWith('/connect/client.json');
    if (!isDocument && (!known || known.secret !== secret)) return refusal('invalid_client');
    if (fields.grant_type === 'refresh_token') {
      const given = fields.refresh_token ?? '';
      if (spent.has(given)) state.reused++;
      const found = renewals.get(given);
      if (!found || found.clientId !== id) return refusal(vendor === 'github' ? 'bad_refresh_token' : 'invalid_grant');
      if (vendor !== 'google') {
        renewals.delete(given);
        spent.add(given);
      }
      return issue(found, vendor === 'google' ? given : undefined);
    }
    const found = codes.get(fields.code ?? '');
    codes.delete(fields.code ?? '');
    const verified = createHash('sha256')
      .update(fields.code_verifier ?? '')
      .digest('base64url');
    const isOurs = found && found.clientId === id && found.redirectUri === fields.redirect_uri;
    if (!isOurs || (found.challenge !== undefined && found.challenge !== verified))
      return refusal(vendor === 'github' ? 'bad_verification_code' : 'invalid_grant');
    if (isKnown && found.resource !== fields.resource) return fail(400, 'invalid_target');
    return issue(found, undefined);
  }

  function issue(what: Code, kept: string | undefined): FakeReply {
    const access = make('at');
    const refresh = what.refreshes ? (kept ?? make('rt')) : undefined;
    const { lifeSeconds } = state;
    tokens.set(access, {
      ...what,
      until: lifeSeconds === undefined ? Number.POSITIVE_INFINITY : now() + lifeSeconds * 1000,
    });
    if (refresh !== undefined) renewals.set(refresh, what);
    return {
      status: 200,
      headers: { 'cache-control': 'no-store' },
      body: {
        access_token: access,
        token_type: 'bearer',
        scope: what.scopes.join(vendor === 'github' ? ',' : ' '),
        ...(lifeSeconds !== undefined && { expires_in: lifeSeconds }),
        // Google says nothing of the refresh token that stays.
        ...(refresh !== undefined && kept === undefined && { refresh_token: refresh }),
      },
    };
  }

  const fake = await startFakeServer({
    answer(request): FakeReply | undefined {
      const { path } = request;
      const issuer = fake.url;
      if (path === '/.well-known/oauth-authorization-server' && isKnown) return { status: 200, body: metadata(issuer) };
      if (path.endsWith('/authorize') || path.endsWith('/auth')) return authorize(request, issuer);
      if (path.endsWith('token') && request.method === 'POST') return token(request);
      if (path === '/register' && isKnown) {
        const { redirect_uris: redirects = [] } = JSON.parse(request.body);
        const id = `dyn-${clients.size}`;
        const secret = make('dynsecret');
        clients.set(id, { secret, redirects });
        return {
          status: 201,
          body: { client_id: id, client_secret: secret, token_endpoint_auth_method: 'client_secret_basic' },
        };
      }
      if (path.endsWith('/revoke')) {
        const given = fieldsOf(request).token ?? '';
        renewals.delete(given);
        tokens.delete(given);
        return { status: 200, body: {} };
      }
      return undefined;
    },
  });
  return Object.assign(state, fake, {
    issuer: fake.url,
    client: own,
    secrets,
    look(text: string) {
      const found = tokens.get(text);
      return found && found.until > now() ? found : undefined;
    },
    revoke(person: string, what: 'access' | 'refresh' = 'refresh') {
      for (const [text, one] of tokens) if (one.person === person) tokens.delete(text);
      if (what === 'refresh') for (const [text, one] of renewals) if (one.person === person) renewals.delete(text);
    },
  });
}
