/** The addresses of the gateway: its own, a host name for each server, and one that takes API keys only (DESIGN 2, ruling 19). */
import type { IncomingMessage } from 'node:http';
import type { Config } from '#config/load.ts';
import { type NameHosts, openNameHosts } from '#core/name-hosts.ts';
import type { Entrance } from '#gateway/entrance.ts';
import type { Domains } from './domains.ts';
import type { ServerPorts } from './server-ports.ts';

export interface Entrances {
  /** Of servers with BASE_DOMAIN only, and of organizations. */
  readonly nameHosts: NameHosts;
  /** For API keys only, as clients reach it; undefined: there is no such address. */
  readonly keysUrl: string | undefined;
  /** Host headers that are ours. `host`: lower case; `'*'`: whether any is. */
  has(host: string): boolean;
  /** `keysOnly`: it came in by the listener for API keys. A second Host header is for what comes next to refuse. */
  find(req: Pick<IncomingMessage, 'headers'>, keysOnly: boolean): Entrance;
  /** Of the port of this server. */
  ofServer(name: string): Entrance;
}

export interface EntranceOptions {
  /** As clients know the gateway, no trailing slash. */
  readonly baseUrl: string;
  /** Where the listener for API keys is; undefined: there is none. */
  readonly keysPort: number | undefined;
  readonly domains?: Pick<Domains, 'find' | 'isEmpty'>;
  /** Of single servers. */
  readonly ports?: Pick<ServerPorts, 'find' | 'portOf' | 'isEmpty'>;
}

export function openEntrances(
  { http, oauth }: Config,
  { baseUrl, keysPort, domains, ports }: EntranceOptions,
): Entrances {
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
  const named =
    baseDomain === undefined
      ? undefined
      : openNameHosts({ domain: baseDomain, baseUrl, others: new Set([...ours, ...external]) });
  const names = withPorts(named, ports, { base, ours });
  const nameHosts = withDomains(names, domains, { base, taken: new Set([...ours, ...external]) });
  const keysUrl = keysUrlOf(base, { host: [...keysHosts][0], port: keysPort });
  const main: Entrance = { baseUrl, name: undefined, keysOnly: false };
  const keys: Entrance = { baseUrl: keysUrl ?? baseUrl, name: undefined, keysOnly: true };
  return {
    nameHosts,
    keysUrl,
    has: (host) => ours.has(host) || nameHosts.find(host) !== undefined || nameHosts.organizationAt(host) !== undefined,
    ofServer: (name) => ({ baseUrl: nameHosts.originOf(name), name, keysOnly: false }),
    find(req, keysOnly) {
      if (keysOnly) return keys;
      // Node parses the headers when they are first asked for: not on every call of a gateway with one address.
      if (keysHosts.size === 0 && !named && (domains?.isEmpty ?? true) && (ports?.isEmpty ?? true)) return main;
      const host = req.headers.host?.toLowerCase() ?? '';
      if (keysHosts.has(host)) return keys;
      const name = nameHosts.find(host);
      if (name !== undefined) return { baseUrl: nameHosts.originOf(name), name, keysOnly: false };
      const domain = nameHosts.organizationAt(host);
      if (!domain) return main;
      return { baseUrl: domain.origin, name: undefined, organization: domain.organization, keysOnly: false };
    },
  };
}

/** A server's own port is a host of its own: what a client was given is what its token is for (RFC 8707). */
function withPorts(
  named: NameHosts | undefined,
  ports: EntranceOptions['ports'],
  { base, ours }: { readonly base: URL; readonly ours: ReadonlySet<string> },
): NameHosts | undefined {
  if (!ports) return named;
  const hostnames = new Set([base.hostname, ...[...ours].map((host) => host.replace(/:\d+$/, ''))]);
  return {
    find(host) {
      const [, hostname = '', port] = /^(.+):(\d{1,5})$/.exec(host) ?? [];
      const atPort = port !== undefined && hostnames.has(hostname) && !ours.has(host);
      return (atPort ? ports.find(Number(port)) : undefined) ?? named?.find(host);
    },
    originOf(name) {
      const port = ports.portOf(name);
      return named?.originOf(name) ?? (port === undefined ? base.origin : `${base.protocol}//${base.hostname}:${port}`);
    },
  };
}

/** An organization's domain never takes an address that is something else already. */
function withDomains(
  named: NameHosts | undefined,
  domains: EntranceOptions['domains'],
  { base, taken }: { readonly base: URL; readonly taken: ReadonlySet<string> },
): Required<NameHosts> {
  const port = base.port === '' ? '' : `:${base.port}`;
  return {
    find: (host) => named?.find(host),
    originOf: (name) => named?.originOf(name) ?? base.origin,
    organizationAt(host) {
      if (!domains || domains.isEmpty || taken.has(host) || named?.find(host) !== undefined) return undefined;
      const plain = port !== '' && host.endsWith(port) ? host.slice(0, -port.length) : undefined;
      const organization = domains.find(host) ?? (plain === undefined ? undefined : domains.find(plain));
      return organization === undefined ? undefined : { organization, origin: `${base.protocol}//${host}` };
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
