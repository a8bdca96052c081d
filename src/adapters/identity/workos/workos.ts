/**
 * WorkOS: AuthKit and Connect access tokens, and session tokens where listed; each issuer with its own keys and
 * audiences. The token says who calls; whether they belong to an organization, and with which roles, is asked live.
 */
import { z } from 'zod';
import { commonOf, commonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider } from '#adapters/identity/identity.ts';
import { issuerSpellings, joinPath, wellKnownUrl } from '#adapters/identity/issuer-url.ts';
import { openRemoteKeys, type RemoteKeys } from '#adapters/identity/jwks.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import { unverifiedIssuer } from '#adapters/identity/unverified-issuer.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import { type CheckedToken, strictRules, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import { openWorkosMemberships } from './memberships.ts';
import { openWorkosSignIn } from './sign-in.ts';
import { openWorkosWebhook } from './webhook.ts';

const webUrl = z.url({ protocol: /^https?$/ });

const config = z.strictObject({
  ...commonSettings,
  apiKey: z.string().min(1).describe('From the dashboard, `sk_…`.'),
  clientId: z.string().min(1).describe('From the dashboard, `client_…`.'),
  authorizationServerUrl: webUrl.describe(
    'May have a path, e.g. https://api.workos.com/auth/v1, with or without a trailing slash.',
  ),
  audiences: z
    .array(z.string().min(1))
    .min(1)
    .optional()
    .describe(
      'Accepted in `aud` of its tokens: resource indicators where WorkOS has them set. Default: the client id.',
    ),
  issuers: z
    .array(
      z.strictObject({
        issuer: z.string().min(1).describe('Exactly as its tokens have it.'),
        jwksUrl: webUrl.optional().describe('Default: what its metadata says.'),
        audiences: z.array(z.string().min(1)).describe('Accepted in `aud` of its tokens.'),
      }),
    )
    .default([])
    .describe(
      'Further issuers. `audiences` may be empty only for session tokens (`https://api.workos.com/user_management/<clientId>`): they have no `aud`, their issuer names the client.',
    ),
  webhookSecret: z.string().min(1).optional().describe('Of the endpoint /api/webhooks/workos, from the dashboard.'),
  apiBaseUrl: webUrl.default('https://api.workos.com').describe('For a proxy in between, or an emulator.'),
});

export type WorkosConfig = z.output<typeof config>;

export const workosAdapter = {
  kind: 'workos',
  title: 'WorkOS',
  config,
  open: openWorkos,
} as const satisfies Adapter<'workos', typeof config, IdentityDeps, IdentityProvider>;

/** Roles are left out on purpose, and scopes too: WorkOS's are about its own user data, not about tools. */
const claimNames = { organizationClaim: 'org_id', emailClaim: 'email', nameClaim: 'name' };

interface Source {
  readonly keys: RemoteKeys;
  readonly rules: TokenRules;
}

function openWorkos(settings: WorkosConfig, deps: IdentityDeps): IdentityProvider {
  const { authorizationServerUrl, clientId } = settings;
  const ownIssuers = issuerSpellings(authorizationServerUrl);
  const sources = openSources(settings, deps);
  const api = { ...deps, apiBaseUrl: settings.apiBaseUrl, apiKey: new Secret(settings.apiKey) };
  const members = openWorkosMemberships(api);
  const metadata = openServerMetadata({
    ...deps,
    issuers: ownIssuers,
    urls: [
      joinPath(authorizationServerUrl, '/.well-known/oauth-authorization-server'),
      wellKnownUrl(authorizationServerUrl, 'oauth-authorization-server'),
    ],
  });
  const common = commonOf(settings, { kind: 'workos', title: 'WorkOS', mode: 'direct' });
  if (common.mode === 'bridge') throw new GatehouseError('setting', { message: 'WorkOS has no mode bridge' });
  return {
    ...common,
    ...(common.mode === 'broker' && {
      signIn: openWorkosSignIn({ ...api, clientId, members, roleMapping: settings.roleMapping }),
    }),
    ...(settings.webhookSecret !== undefined && {
      webhook: openWorkosWebhook(new Secret(settings.webhookSecret), settings, deps),
    }),
    issuers: [...sources.keys()],
    authorizationServer: authorizationServerUrl,
    async verify(token) {
      const source = sources.get(unverifiedIssuer(token) ?? '');
      if (!source) throw new GatehouseError('invalid_token');
      const checked = await verifyToken(token, source.keys.find, { rules: source.rules, clock: deps.clock });
      if (source.rules.audiences === 'unchecked') checkNoAudience(checked, clientId);
      // RFC 8693 4.1: somebody of the vendor's, or of the operator's, acts as this person. Sign-in refuses that too.
      if (checked.claims.act !== undefined) throw new GatehouseError('invalid_token');
      return asVerified(checked, claimNames);
    },
    async memberships(subject, organization) {
      const found = await members.find(subject, organization);
      return found && { roles: mapRoles(settings, { roles: found.roles, groups: [] }) };
    },
    organizations: async (subject) => [...(await members.list(subject)).keys()],
    forget: (subject) => members.forget(subject),
    metadata: async () => (await metadata.get()).value,
    close: async () => undefined,
  };
}

/** Issuer → keys and rules. An entry for the authorization server itself replaces its defaults. */
function openSources(settings: WorkosConfig, deps: IdentityDeps): ReadonlyMap<string, Source> {
  const { authorizationServerUrl, clientId, audiences, issuers } = settings;
  const sources = new Map<string, Source>();
  const add = (spellings: readonly string[], jwksUrl: string, accepted: TokenRules['audiences']) => {
    const keys = openRemoteKeys({ ...deps, url: jwksUrl });
    for (const issuer of spellings) {
      sources.set(issuer, { keys, rules: { ...strictRules, issuers: [issuer], audiences: accepted } });
    }
  };
  add(
    issuerSpellings(authorizationServerUrl),
    joinPath(authorizationServerUrl, '/oauth2/jwks'),
    audiences ?? [clientId],
  );
  for (const { issuer, jwksUrl, audiences: accepted } of issuers) {
    const isSession = issuer.endsWith(`/user_management/${clientId}`);
    if (accepted.length === 0 && !isSession) {
      throw new GatehouseError('setting', { message: `The WorkOS issuer ${issuer} needs at least one audience` });
    }
    const url = jwksUrl ?? (isSession ? joinPath(settings.apiBaseUrl, `/sso/jwks/${clientId}`) : undefined);
    if (url === undefined) {
      throw new GatehouseError('setting', { message: `The WorkOS issuer ${issuer} needs a jwksUrl` });
    }
    add([issuer], url, accepted.length === 0 ? 'unchecked' : accepted);
  }
  return sources;
}

/** A session token has no `aud`; one that has, and is meant for somebody else, is no session token of ours. */
function checkNoAudience({ claims }: CheckedToken, clientId: string): void {
  const audience = claims.aud ?? clientId;
  if (![audience].flat().includes(clientId)) throw new GatehouseError('invalid_token');
}
