/**
 * What each vendor does its own way, as data. A preset only fills in what the entry doesn't say.
 *
 * | preset | source |
 * |---|---|
 * | google | developers.google.com/identity/openid-connect/openid-connect: `hd` is the proof of a Workspace domain, the e-mail's domain is not; no groups |
 * | okta | developer.okta.com/docs/guides/customize-tokens-groups-claim, /docs/concepts/auth-servers: org server with scope `groups` (its access tokens are for Okta alone), custom servers under /oauth2/{id} with a claim of one's own |
 * | auth0 | auth0.com/docs/secure/tokens/json-web-tokens/create-custom-claims: own claims must be namespaced; issuer ends in a slash; `org_id` of Auth0 Organizations |
 * | keycloak | www.keycloak.org/docs/latest/server_admin (protocol mappers): roles in the access token under `realm_access` and `resource_access`, groups as paths |
 * | cognito | docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html: `cognito:groups`, `token_use`, access tokens with `client_id` in the place of `aud` |
 */
export const presetNames = ['google', 'okta', 'auth0', 'keycloak', 'cognito'] as const;
export type PresetName = (typeof presetNames)[number];

export interface PresetInput {
  /** Okta's or Auth0's host name, `acme.okta.com`. */
  readonly domain?: string | undefined;
  /** Okta: of a custom authorization server, e.g. `default`; unset: the org's own. */
  readonly authorizationServerId?: string | undefined;
  /** Auth0: the prefix of own claims, e.g. `https://example.com/`. */
  readonly claimNamespace?: string | undefined;
  /** Cognito: `eu-west-1_AbCdEf123`. */
  readonly userPoolId?: string | undefined;
  readonly clientId?: string | undefined;
}

export interface Preset {
  readonly title: string;
  /** Undefined: what it follows from is missing; `needs` says what. */
  issuer(input: PresetInput): string | undefined;
  readonly needs: string;
  readonly scopes: (input: PresetInput) => readonly string[];
  readonly claims: (input: PresetInput) => PresetClaims;
  /** Its access tokens can be checked by others: direct mode makes sense. */
  readonly direct: (input: PresetInput) => boolean;
  /** The access token of a sign-in is a JWT under the same keys that says more than the ID token. */
  readonly readsAccessToken?: true;
  /** Access tokens name their client in `client_id`, and have no `aud`. */
  readonly audienceIsClientId?: true;
  /** Parameter of the authorization request that takes the organization's id. */
  readonly organizationParameter?: string;
}

export interface PresetClaims {
  readonly roles?: readonly string[];
  readonly groups?: string;
  readonly organization?: string;
  readonly username?: string;
}

const standard = () => ['openid', 'profile', 'email'];
const always = () => true;

export const presets: Readonly<Record<PresetName, Preset>> = {
  google: {
    title: 'Google',
    issuer: () => 'https://accounts.google.com',
    needs: '',
    scopes: standard,
    claims: () => ({}),
    direct: () => false,
  },
  okta: {
    title: 'Okta',
    issuer: ({ domain, authorizationServerId: id }) => domain && `https://${domain}${id ? `/oauth2/${id}` : ''}`,
    needs: 'domain, as in acme.okta.com',
    // A custom server refuses scopes that nobody made there.
    scopes: ({ authorizationServerId }) => [...standard(), ...(authorizationServerId ? [] : ['groups'])],
    claims: () => ({ groups: 'groups' }),
    direct: ({ authorizationServerId }) => authorizationServerId !== undefined,
  },
  auth0: {
    title: 'Auth0',
    issuer: ({ domain }) => domain && `https://${domain}/`,
    needs: 'domain, as in acme.eu.auth0.com',
    scopes: standard,
    claims: ({ claimNamespace: prefix }) => ({
      organization: 'org_id',
      username: 'nickname',
      ...(prefix && { roles: [`${prefix}roles`], groups: `${prefix}groups` }),
    }),
    direct: always,
    organizationParameter: 'organization',
  },
  keycloak: {
    title: 'Keycloak',
    issuer: () => undefined,
    needs: 'issuer, as in https://sso.example.com/realms/main',
    scopes: standard,
    claims: ({ clientId }) => ({
      roles: ['realm_access.roles', ...(clientId ? [`resource_access.${clientId}.roles`] : [])],
      groups: 'groups',
    }),
    direct: always,
    readsAccessToken: true,
  },
  cognito: {
    title: 'Amazon Cognito',
    issuer: ({ userPoolId }) =>
      userPoolId && `https://cognito-idp.${userPoolId.split('_')[0]}.amazonaws.com/${userPoolId}`,
    needs: 'userPoolId, as in eu-west-1_AbCdEf123',
    scopes: standard,
    claims: () => ({ groups: 'cognito:groups', username: 'cognito:username' }),
    direct: always,
    audienceIsClientId: true,
  },
};
