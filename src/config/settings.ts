/** Every variable that is read, as data: the loader walks it and docs/reference/config.md is generated from it. */
export interface Setting {
  readonly name: string;
  /** Older or foreign names with the same meaning; ours wins. */
  readonly aliases?: readonly string[];
  /** Where it lands in gatehouse.yaml; undefined: a variable only. */
  readonly path?: readonly string[];
  /** As printed in the reference. */
  readonly default: string;
  readonly meaning: string;
  readonly secret?: true;
}

export const settings: readonly Setting[] = [
  {
    name: 'HOST',
    aliases: ['GATEWAY_HOST'],
    path: ['http', 'host'],
    default: '127.0.0.1',
    meaning: 'Address to listen on.',
  },
  {
    name: 'PORT',
    aliases: ['GATEWAY_PORT'],
    path: ['http', 'port'],
    default: '3000',
    meaning: 'Port to listen on; 0 picks a free one.',
  },
  {
    name: 'BASE_URL',
    path: ['http', 'baseUrl'],
    default: 'http://localhost:{PORT}',
    meaning: 'Public URL of the gateway, as clients see it. With BASE_DOMAIN: https://auth.{BASE_DOMAIN}.',
  },
  {
    name: 'BASE_DOMAIN',
    path: ['http', 'baseDomain'],
    default: '',
    meaning: 'Serves each server and collection at {name}.{BASE_DOMAIN}/mcp; sign-in is at auth.{BASE_DOMAIN}.',
  },
  {
    name: 'KEYS_HOST',
    path: ['http', 'keysHost'],
    default: 'keys.{BASE_DOMAIN}',
    meaning: 'Host name that takes API keys only: no sign-in and no metadata there.',
  },
  {
    name: 'KEYS_PORT',
    path: ['http', 'keysPort'],
    default: 'PORT + 1 where the demo has a sign-in, if it is free',
    meaning: 'Port that takes API keys only: no sign-in and no metadata there.',
  },
  {
    name: 'REPLICA_URL',
    path: ['http', 'replicaUrl'],
    default: '',
    meaning:
      'Where the other replicas, and nobody else, reach this one, e.g. http://10.0.0.5:3100. Unset: they do not. Needs DATABASE_URL.',
  },
  {
    name: 'REPLICA_HOST',
    path: ['http', 'replicaHost'],
    default: 'host of REPLICA_URL',
    meaning: 'Address to listen on for the other replicas.',
  },
  {
    name: 'REPLICA_PORT',
    path: ['http', 'replicaPort'],
    default: 'port of REPLICA_URL',
    meaning: 'Port to listen on for the other replicas.',
  },
  {
    name: 'TRUSTED_PROXIES',
    path: ['http', 'trustedProxies'],
    default: '',
    meaning: 'Addresses or CIDR blocks of proxies whose forwarding headers are believed, separated by commas.',
  },
  {
    name: 'ALLOWED_ORIGINS',
    aliases: ['MCP_CORS_ORIGINS'],
    path: ['http', 'allowedOrigins'],
    default: '',
    meaning: 'Origins of browser clients, separated by commas; * for any.',
  },
  {
    name: 'ALLOW_INSECURE_HTTP',
    path: ['http', 'allowInsecureHttp'],
    default: 'false',
    meaning: 'true: a plain-HTTP BASE_URL is accepted in production.',
  },
  {
    name: 'META_TOOLS_MODE',
    path: ['http', 'metaTools'],
    default: 'false',
    meaning:
      'true: three tools that search, describe and call the others stand for them, in OpenAPI documents of everything and in endpoints that do not say how they list.',
  },
  {
    name: 'ADMIN_EMAILS',
    path: ['oauth', 'administrators'],
    default: '',
    meaning:
      'E-mail addresses of people who administer the whole gateway, separated by commas; each counts once its identity provider has verified it.',
  },
  {
    name: 'DATA_DIR',
    default: './data',
    meaning: 'Directory of the embedded database, the demo keys and the admin token.',
  },
  {
    name: 'DATABASE_URL',
    path: ['database', 'url'],
    default: 'embedded',
    meaning: 'PostgreSQL 15 or newer; required in production.',
    secret: true,
  },
  {
    name: 'REDIS_URL',
    path: ['redis', 'url'],
    default: '',
    meaning: 'Redis 7 or Valkey 8, shared by replicas.',
    secret: true,
  },
  {
    name: 'ENCRYPTION_KEY_PREVIOUS',
    path: ['secrets', 'previousKeys'],
    default: '',
    meaning: 'Encryption keys of the past, separated by commas: what they sealed still opens.',
    secret: true,
  },
  {
    name: 'ENCRYPTION_KEY',
    aliases: ['GATEWAY_JWT_SECRET'],
    path: ['secrets', 'encryptionKey'],
    default: 'made in the demo',
    meaning: 'At least 32 characters; seals credentials and keys. Required outside the demo.',
    secret: true,
  },
  { name: 'LOG_LEVEL', path: ['telemetry', 'logLevel'], default: 'info', meaning: 'debug, info, warn or error.' },
  {
    name: 'LOG_FORMAT',
    path: ['telemetry', 'logFormat'],
    default: 'pretty on a terminal, else json',
    meaning: 'json or pretty.',
  },
  {
    name: 'METRICS_KEY',
    path: ['telemetry', 'metricsKey'],
    default: '',
    meaning: 'Bearer key that opens /metrics from elsewhere; without it only this machine sees them.',
    secret: true,
  },
  {
    name: 'OTEL_EXPORTER_OTLP_ENDPOINT',
    path: ['telemetry', 'otlp'],
    default: '',
    meaning: 'OpenTelemetry collector that is sent spans, such as http://collector:4318; unset: none are made.',
  },
  { name: 'NODE_ENV', default: '', meaning: 'production refuses weak settings; development stops at once on Ctrl+C.' },
  { name: 'GATEHOUSE_CONFIG', default: './gatehouse.yaml, if there is one', meaning: 'Configuration file.' },
  { name: 'GATEHOUSE_URL', default: '', meaning: 'Command line: the gateway to talk to (--url).' },
  { name: 'GATEHOUSE_KEY', default: '', meaning: 'Command line: the API key to use (--key).', secret: true },
  {
    name: 'MAPPING_FILE',
    default: '',
    meaning: 'JSON {organization: {collection: {partition, apiKey, allowedRoles}}}, imported at start.',
  },
  {
    name: 'RAGIE_BASE_URL',
    default: 'https://api.ragie.ai/',
    meaning: 'Where collections made by db:create-collection are proxied to.',
  },
  { name: 'WORKOS_API_KEY', default: '', meaning: 'WorkOS; required together with the next two.', secret: true },
  { name: 'WORKOS_AUTHORIZATION_SERVER_URL', default: '', meaning: 'Issuer of the tokens, with its path.' },
  { name: 'WORKOS_CLIENT_ID', default: '', meaning: 'WorkOS client id: the audience where no resource is named.' },
  {
    name: 'WORKOS_API_BASE_URL',
    default: 'https://api.workos.com',
    meaning: 'Where WorkOS is asked for memberships: for a proxy in between, or an emulator.',
  },
  {
    name: 'WORKOS_WEBHOOK_SECRET',
    default: '',
    meaning: 'Signing secret of the WorkOS webhook endpoint /api/webhooks/workos.',
    secret: true,
  },
  { name: 'CLERK_SECRET_KEY', default: '', meaning: 'Clerk; required together with the next.', secret: true },
  { name: 'CLERK_PUBLISHABLE_KEY', default: '', meaning: "Clerk's publishable key: names the issuer of the tokens." },
  {
    name: 'CLERK_WEBHOOK_SECRET',
    default: '',
    meaning: 'Signing secret (whsec_…) of the Clerk webhook endpoint /api/webhooks/clerk.',
    secret: true,
  },
  {
    name: 'CLERK_API_URL',
    default: 'https://api.clerk.com',
    meaning: "Clerk's Backend API: for a proxy in between, or an emulator.",
  },
  { name: 'GITHUB_CLIENT_ID', default: '', meaning: 'Sign-in with GitHub; required together with the next two.' },
  { name: 'GITHUB_CLIENT_SECRET', default: '', meaning: 'Secret of the OAuth app at GitHub.', secret: true },
  {
    name: 'ALLOWED_GITHUB_USERS',
    default: '',
    meaning: 'Login names at GitHub that may sign in, separated by commas; * for everybody.',
  },
  {
    name: 'GITHUB_BASE_URL',
    default: 'https://github.com',
    meaning: 'A GitHub Enterprise Server; its API is at /api/v3 below.',
  },
  {
    name: 'WEBUI_SECRET_KEY',
    default: '',
    meaning: 'The same as Open WebUI has: its sessions are accepted. At least 32 characters.',
    secret: true,
  },
  {
    name: 'ENTRA_TENANT_ID',
    default: '',
    meaning: 'Directory (tenant) id; with the next one: Entra ID in bridge mode.',
  },
  { name: 'ENTRA_CLIENT_ID', default: '', meaning: 'Application (client) id of the registration at Entra ID.' },
  {
    name: 'ENTRA_CLIENT_SECRET',
    default: '',
    meaning: 'Only to ask Microsoft Graph for groups that do not fit into a token.',
    secret: true,
  },
  {
    name: 'HTTP_PROXY',
    aliases: ['http_proxy'],
    path: ['egress', 'httpProxy'],
    default: '',
    meaning: 'Proxy for outgoing http requests.',
  },
  {
    name: 'HTTPS_PROXY',
    aliases: ['https_proxy'],
    path: ['egress', 'httpsProxy'],
    default: '',
    meaning: 'Proxy for outgoing https requests.',
  },
  {
    name: 'NO_PROXY',
    aliases: ['no_proxy'],
    path: ['egress', 'noProxy'],
    default: '',
    meaning: 'Hosts reached without a proxy, separated by commas.',
  },
  {
    name: 'JWT_ALGORITHM',
    path: ['oauth', 'signingAlgorithm'],
    default: 'RS256',
    meaning: 'Signs access tokens: RS256 or ES256.',
  },
  {
    name: 'JWT_PRIVATE_KEY_B64',
    path: ['oauth', 'signingKey'],
    default: 'made at the first start',
    meaning: 'Private key that signs access tokens: a PEM in base64, RSA (2048 bits or more) or EC P-256 for ES256.',
    secret: true,
  },
  {
    name: 'ACCESS_TOKEN_LIFETIME',
    aliases: ['OAUTH_ACCESS_TOKEN_LIFETIME'],
    path: ['oauth', 'accessTokenSeconds'],
    default: '600',
    meaning: 'Lifetime of access tokens in seconds.',
  },
  {
    name: 'REFRESH_TOKEN_LIFETIME',
    aliases: ['OAUTH_REFRESH_TOKEN_LIFETIME'],
    path: ['oauth', 'refreshTokenSeconds'],
    default: '2592000',
    meaning: 'Lifetime of refresh tokens in seconds.',
  },
  {
    name: 'CLIENT_LIFETIME',
    aliases: ['OAUTH_CLIENT_LIFETIME'],
    path: ['oauth', 'clientSeconds'],
    default: '7776000',
    meaning:
      'Lifetime of a registered client in seconds, 0 for ever. One that nobody signs in through lives for a day.',
  },
  {
    name: 'RATE_LIMIT_PER_MINUTE',
    aliases: ['API_RATE_LIMIT'],
    path: ['limits', 'principal', 'requestsPerMinute'],
    default: '600; 100 with WEBUI_SECRET_KEY or another RATE_LIMIT variable',
    meaning: 'Requests of one caller in a minute.',
  },
  {
    name: 'RATE_LIMIT_PER_IP',
    path: ['limits', 'address', 'requestsPerMinute'],
    default: '300; 1000 with WEBUI_SECRET_KEY or another RATE_LIMIT variable',
    meaning: 'Requests in a minute from an address, of callers that are not signed in.',
  },
  {
    name: 'RATE_LIMIT_ENABLED',
    path: ['limits', 'enabled'],
    default: 'true',
    meaning: 'false: no rates are counted.',
  },
  {
    name: 'MAX_CONCURRENT_SESSIONS',
    path: ['limits', 'replica', 'streams'],
    default: '8000',
    meaning: 'Event streams and WebSockets that one replica holds open.',
  },
  {
    name: 'MAX_REQUEST_SIZE',
    path: ['limits', 'request', 'mcpBytes'],
    default: '1048576',
    meaning: 'Largest body of an MCP request: bytes, or 1MB.',
  },
  {
    name: 'MCP_SESSION_TTL_SECONDS',
    path: ['limits', 'sessionTtlSeconds'],
    default: '86400',
    meaning: 'Lifetime of a legacy session in seconds. SESSION_TIMEOUT is accepted with a unit: 3600s, 900000ms.',
  },
];
