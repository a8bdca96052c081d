/** Variables of the gateways that this one replaces which do nothing here: named at the start, so that nobody waits for them. */
import type { Env } from './environment.ts';
import { settings } from './settings.ts';

const foreign: readonly (readonly [RegExp, string])[] = [
  [/^ACME_EMAIL$/, 'certificates are the business of the reverse proxy'],
  [/^REDIS_PASSWORD$/, 'the password is part of REDIS_URL'],
  [/^LOG_FILE$/, 'the log goes to standard output'],
  [/^MCP_PROTOCOL_VERSION(?:S_SUPPORTED)?$/, 'every revision of the protocol is served'],
  [/^MCP_[A-Z0-9_]+_(?:ENABLED|URLS?)$/, 'servers are listed in gatehouse.yaml'],
  [/^GATEWAY_DOMAIN$/, 'BASE_URL names the host, with https:// in front'],
  [/^TLS_(?:CERT|KEY)_PATH$/, 'TLS ends at the reverse proxy'],
  [/^MCP_PORT_[A-Z0-9_]+$/, 'all servers are on the one port, each under its name'],
  [/^OAUTH_/, 'there is no such setting'],
];

/** One sentence for each that is set. */
export function foreignVariables(env: Env): readonly string[] {
  const ours = new Set(settings.flatMap(({ name, aliases = [] }) => [name, ...aliases]));
  return Object.keys(env)
    .filter((name) => env[name] !== undefined && !ours.has(name))
    .flatMap((name) =>
      foreign.filter(([pattern]) => pattern.test(name)).map(([, why]) => `${name} has no effect: ${why}`),
    )
    .sort();
}
