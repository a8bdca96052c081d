/** Options of `thv run` that are settings of the whole gateway here (REQUIREMENTS S2.16): refused, with where to go. */
export interface Elsewhere {
  readonly flag: string;
  readonly instead: string;
}

const all = (flags: readonly string[], instead: string): readonly Elsewhere[] =>
  flags.map((flag) => ({ flag: `--${flag}`, instead }));

export const elsewhere: readonly Elsewhere[] = [
  ...all(
    ['oidc-issuer', 'oidc-audience', 'oidc-client-id', 'oidc-client-secret', 'oidc-jwks-url', 'oidc-introspection-url'],
    'who signs in is decided for the whole gateway: `identity` in gatehouse.yaml (docs/guide/sign-in.md)',
  ),
  ...all(['oidc-scopes'], 'the scopes are mcp:read and mcp:write: leave it out'),
  ...all(['authz-config'], 'attach the policies with `gatehouse policy put NAME --file FILE --server KEY`'),
  ...all(['audit-config', 'enable-audit'], 'every call is in the trail: leave it out (`gatehouse audit`)'),
  ...all(['allowed-origins'], 'set http.allowedOrigins in gatehouse.yaml'),
  ...all(['session-ttl'], 'set MCP_SESSION_TTL_SECONDS'),
  ...all(['strict-protocol-validation'], 'the protocol is always checked: leave it out'),
  ...all(['resource-url'], 'set BASE_URL: each address is its own resource'),
  ...all(['trust-proxy-headers'], 'set TRUSTED_PROXIES to the addresses of your proxies'),
  ...all(['host'], 'set HOST: a port of a server is on the same address as the gateway'),
  ...all(
    [
      'token-exchange-url',
      'token-exchange-client-id',
      'token-exchange-client-secret',
      'token-exchange-client-secret-file',
      'token-exchange-audience',
      'token-exchange-scopes',
      'token-exchange-subject-token-type',
      'token-exchange-header-name',
    ],
    'say `auth: { kind: exchange, … }` of the server in gatehouse.yaml (docs/guide/connected-accounts.md)',
  ),
  ...all(
    [
      'remote-auth',
      'remote-auth-issuer',
      'remote-auth-authorize-url',
      'remote-auth-token-url',
      'remote-auth-client-id',
      'remote-auth-client-secret',
      'remote-auth-client-secret-file',
      'remote-auth-scopes',
      'remote-auth-timeout',
      'remote-auth-skip-browser',
      'remote-auth-callback-port',
      'remote-auth-bearer-token',
      'remote-auth-resource',
    ],
    'define a remote server in gatehouse.yaml with `auth: { kind: connected, … }` (docs/guide/connected-accounts.md)',
  ),
];
