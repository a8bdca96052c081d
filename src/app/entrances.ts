/** The addresses of the gateway: its own, a host name for each server, and one that takes API keys only (DESIGN 2, ruling 19). */
import type { IncomingMessage } from 'node:http';
import type { Config } from '#config/load.ts';
import { type NameHosts, openNameHosts } from '#core/name-hosts.ts';
import type { Entrance } from '#gateway/entrance.ts';

export interface Entrances {
  /** With BASE_DOMAIN only. */
  readonly nameHosts: NameHosts | undefined;
  /** For API keys only, as clients reach it; undefined: there is no such address. */
  readonly keysUrl: string | undefined;
  /** Host headers that are ours. `host`: lower case; `'*'`: whether any is. */
  has(host: string): boolean;
  /** `keysOnly`: it came in by the listener for API keys. A second Host header is for what comes next to refuse. */
  find(req: Pick<IncomingMessage, 'headers'>, keysOnly: boolean): Entrance;
}

export interface EntranceOptions {
  /** As clients know the gateway, no trailing slash. */
  readonly baseUrl: string;
  /** Where the listener for API keys is; undefined: there is none. */
  readonly keysPort: number | undefined;
}

export function openEntrances({ http, oauth }: Config, { baseUrl, keysPort }: EntranceOptions): Entrances {
  const base = new URL(baseUrl);
  const { baseDomain, keysHost } = http;
  const onPort = (host: string) => (base.port === '' || host.includes(':') ? host : `${host}:${base.port}`);
  const keysHosts = new Set(keysHost === undefined ? [] : [onPort(keysHost)]);
  const ours = new Set([
    base.host,
    ...(baseDomain === undefined ? [] : [onPort(`auth.${baseDomain}`)]),
    ...http.allowedHosts.map((host) => host.toLowerCase()),
    ...keysHosts,
    ...(keysPort === undefined ? [] : [`${base.hostname}:${keysPort}`]),
    ...(keysPort === undefined || keysHost === undefined ? [] : [`${keysHost.replace(/:\d+$/, '')}:${keysPort}`]),
  ]);
  const external = oauth.resources.map((url) => new URL(url).host);
  const nameHosts =
    baseDomain === undefined
      ? undefined
      : openNameHosts({ domain: baseDomain, baseUrl, others: new Set([...ours, ...external]) });
  const keysUrl = keysUrlOf(base, { host: [...keysHosts][0], port: keysPort });
  const main: Entrance = { baseUrl, name: undefined, keysOnly: false };
  const keys: Entrance = { baseUrl: keysUrl ?? baseUrl, name: undefined, keysOnly: true };
  return {
    nameHosts,
    keysUrl,
    has: (host) => ours.has(host) || nameHosts?.find(host) !== undefined,
    find(req, keysOnly) {
      if (keysOnly) return keys;
      // Node parses the headers when they are first asked for: not on every call of a gateway with one address.
      if (keysHosts.size === 0 && !nameHosts) return main;
      const host = req.headers.host?.toLowerCase() ?? '';
      if (keysHosts.has(host)) return keys;
      const name = nameHosts?.find(host);
      return name === undefined || !nameHosts ? main : { baseUrl: nameHosts.originOf(name), name, keysOnly: false };
    },
  };
}

function keysUrlOf(
  { protocol, hostname }: URL,
  { host, port }: { readonly host: string | undefined; readonly port: number | undefined },
): string | undefined {
  if (host !== undefined) return `${protocol}//${host}`;
  return port === undefined ? undefined : `${protocol}//${hostname}:${port}`;
}
