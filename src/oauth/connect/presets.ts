/**
 * Authorization servers that publish less of themselves than RFC 8414 wants, or want to be asked in a way of their own.
 * Data only: each line is from the vendor's own documentation.
 */

export interface Preset {
  readonly title: string;
  /** No trailing slash. */
  readonly issuer: string;
  /** Below the issuer, or whole where it is another host. Undefined: its metadata says it. */
  readonly endpoints?: { readonly authorization: string; readonly token: string; readonly revocation?: string };
  /** Of the authorization request, beside the usual ones. */
  readonly parameters?: Readonly<Record<string, string>>;
  /** Asked for beside what is wanted. */
  readonly scopes?: readonly string[];
  /** False: it doesn't know RFC 8707, and may refuse what it doesn't know. */
  readonly resource: boolean;
}

export const presets: Readonly<Record<string, Preset>> = {
  // Tokens of OAuth apps have no end; those of GitHub apps end after 8 h and come with a refresh token. Errors come as 200.
  github: {
    title: 'GitHub',
    issuer: 'https://github.com/login/oauth',
    endpoints: { authorization: 'authorize', token: 'access_token' },
    resource: false,
  },
  gitlab: {
    title: 'GitLab',
    issuer: 'https://gitlab.com',
    endpoints: { authorization: 'oauth/authorize', token: 'oauth/token', revocation: 'oauth/revoke' },
    resource: false,
  },
  // Refresh tokens rotate, and come with offline_access only.
  atlassian: {
    title: 'Atlassian',
    issuer: 'https://auth.atlassian.com',
    endpoints: { authorization: 'authorize', token: 'oauth/token' },
    parameters: { audience: 'api.atlassian.com', prompt: 'consent' },
    scopes: ['offline_access'],
    resource: false,
  },
  // A refresh token comes with the first consent only, unless it is asked for anew.
  google: {
    title: 'Google',
    issuer: 'https://accounts.google.com',
    endpoints: {
      authorization: 'o/oauth2/v2/auth',
      token: 'https://oauth2.googleapis.com/token',
      revocation: 'https://oauth2.googleapis.com/revoke',
    },
    parameters: { access_type: 'offline', prompt: 'consent', include_granted_scopes: 'true' },
    resource: false,
  },
  slack: {
    title: 'Slack',
    issuer: 'https://slack.com',
    endpoints: { authorization: 'oauth/v2_user/authorize', token: 'api/oauth.v2.user.access' },
    resource: false,
  },
  notion: { title: 'Notion', issuer: 'https://mcp.notion.com', resource: true },
  linear: { title: 'Linear', issuer: 'https://mcp.linear.app', resource: true },
  'atlassian-mcp': { title: 'Atlassian', issuer: 'https://mcp.atlassian.com', resource: true },
};

/** Elsewhere, where the vendor's software is run by others (GitLab, GitHub Enterprise): the same below another issuer. */
export function endpointsAt(preset: Preset, issuer: string) {
  const { endpoints } = preset;
  if (!endpoints) return undefined;
  const at = (place: string) => {
    if (!place.startsWith('https://')) return `${issuer}/${place}`;
    return issuer === preset.issuer ? place : `${issuer}${new URL(place).pathname}`;
  };
  return {
    authorization_endpoint: at(endpoints.authorization),
    token_endpoint: at(endpoints.token),
    ...(endpoints.revocation !== undefined && { revocation_endpoint: at(endpoints.revocation) }),
  };
}
