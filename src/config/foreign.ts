/** Variables of the gateways that this one replaces which do nothing here: named at the start, so that nobody waits for them. */
import type { Env } from './environment.ts';
import { settings } from './settings.ts';

const foreign: readonly (readonly [RegExp, string])[] = [
  [/^ACME_EMAIL$/, 'certificates are the business of the reverse proxy'],
  [/^REDIS_PASSWORD$/, 'the password is part of REDIS_URL'],
  [/^LOG_FILE$/, 'the log goes to standard output'],
  [/^MCP_PROTOCOL_VERSION(?:S_SUPPORTED)?$/, 'every revision of the protocol is served'],
  [/^GATEWAY_DOMAIN$/, 'BASE_URL names the host, with https:// in front'],
  [/^OAUTH_/, 'there is no such setting'],
  [/^POSTGRES_PASSWORD$/, 'the password is part of DATABASE_URL'],
  [/^DEBUG$/, 'LOG_LEVEL=debug says more in the log'],
  [/^(?:MCP_PROXY|ADMIN_PORTAL)_URL$/, 'gateway, proxy and portal are one process'],
  [/^(?:MCP_API_KEY|JWT_SECRET)$/, 'keys are made with `gatehouse key create`, and each can be revoked'],
  [/^MCP_MODE$/, 'MCP and REST are both served'],
  [/^(?:SKIP_CACHE_REFRESH|CACHE_REFRESH_\w+)$/, 'lists are read when they are needed, and kept fresh'],
  [/^EMBEDDING_MODEL$/, 'tools are searched by their words'],
  [/^ADMIN_EMAILS$/, 'roles say who administers; an e-mail address identifies nobody'],
  [/^TRUSTED_PROXY_HEADERS$/, 'TRUSTED_PROXIES says whose headers are believed'],
  [/^REQUIRE_AUTH_FOR_LISTING$/, 'strangers are shown an empty list'],
  [/^ENABLE_API_ANALYTICS$/, 'every call is recorded'],
  [/^CORS_CREDENTIALS$/, 'no cookie counts for pages of another origin'],
  [/^MAX_CONCURRENT_SESSIONS$/, 'sessions are kept by the client, sealed: limits.principal bounds calls and streams'],
];

/** One sentence for each that is set. `further`: names that have an effect beside the settings. */
export function foreignVariables(env: Env, further: readonly string[] = []): readonly string[] {
  const ours = new Set([...settings.flatMap(({ name, aliases = [] }) => [name, ...aliases]), ...further]);
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && !ours.has(name))
    .flatMap((name) =>
      foreign.filter(([pattern]) => pattern.test(name)).map(([, why]) => `${name} has no effect: ${why}`),
    )
    .sort();
}
