/**
 * Which addresses outgoing requests may reach. The same judgement is made three times: on the URL as written, on every
 * address its name resolves to, and on the address the socket is connected to (guarded-connect.ts): a check that is
 * made once can be answered differently the second time.
 */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { GatehouseError } from '#core/error.ts';
import { type Cidr, isSpecialAddress, isWithin, parseAddress } from './special-addresses.ts';

export interface ResolvedAddress {
  readonly address: string;
  readonly family: number;
}

export type Resolve = (hostname: string) => Promise<readonly ResolvedAddress[]>;

export interface AddressGuardOptions {
  /**
   * What the operator opens: an address, a CIDR range, a host name or `*.domain`. Only what is listed may be private,
   * speak plain HTTP or use another port.
   */
  readonly allow?: readonly string[];
  /** Ports open to every public host. Default 443 and 8443. */
  readonly ports?: readonly number[];
  readonly resolve?: Resolve;
}

/** Protocol with its colon, as URL has it; `hostname` with or without brackets. */
export interface Target {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number;
}

export interface AddressGuard {
  /** What can be said before any lookup. Returns the parsed URL: store and use its `href`. Throws TargetRefused. */
  checkUrl(url: string | URL): URL;
  /** As checkUrl, for requests whose name a forward proxy will resolve: only a listed host may be local or plain HTTP. */
  checkProxied(url: string | URL): URL;
  /** Every address to try. One bad address among good ones refuses the name. Throws TargetRefused. */
  resolve(target: Target): Promise<readonly ResolvedAddress[]>;
  /** Throws TargetRefused where the socket has ended up is not where it may be. */
  checkConnected(target: Target, remoteAddress: string | undefined): void;
}

/** Never shown to callers: that an address is refused, and why, tells a stranger about the network (SECURITY S5). */
export class TargetRefused extends Error {
  readonly code = 'TARGET_REFUSED';
}

/** Names that mean this machine or this network, whatever a resolver says (RFC 6761, RFC 6762, ICANN `.internal`). */
const localName = /(?:^|\.)(?:localhost|localdomain|local|internal|home\.arpa)$/;
const loopbackName = /(?:^|\.)localhost$/;
const rawTrick = /[\p{Cc}\s\\]/u;

export function addressGuard(options: AddressGuardOptions = {}): AddressGuard {
  const rules = parseAllow(options.allow ?? []);
  const ports = new Set(options.ports ?? [443, 8443]);
  const find = options.resolve ?? ((hostname) => lookup(hostname, { all: true, order: 'verbatim' }));

  /** Only listed addresses will do for this one. */
  const needsListing = (target: Target, host: string) =>
    target.protocol !== 'https:' || !ports.has(target.port) || localName.test(host);

  const admits = (target: Target, host: string, address: string) => {
    if (isListedHost(rules.hosts, host)) return true;
    const parsed = parseAddress(address);
    if (rules.ranges.some((range) => isWithin(parsed, range))) return true;
    return !needsListing(target, host) && !isSpecialAddress(address);
  };

  const check = (url: string | URL, resolvedHere: boolean) => {
    const parsed = parseTarget(url);
    const target = asTarget(parsed);
    const host = bareHost(target.hostname);
    if (isIP(host) !== 0) {
      if (!admits(target, host, host)) throw refused(target);
    } else if (needsListing(target, host) && !isListedHost(rules.hosts, host)) {
      if (!resolvedHere || rules.ranges.length === 0) throw refused(target);
    }
    return parsed;
  };

  return {
    checkUrl: (url) => check(url, true),
    checkProxied: (url) => check(url, false),
    async resolve(target) {
      const host = bareHost(target.hostname);
      const family = isIP(host);
      const found = family === 0 ? await find(host) : [{ address: host, family }];
      const good = found.filter(({ address }) => admits(target, host, address));
      // "localhost" names both loopback addresses on most machines: there one listed address is enough.
      const complete = good.length === found.length || loopbackName.test(host);
      if (good.length === 0 || !complete) throw refused(target);
      return good;
    },
    checkConnected(target, remoteAddress) {
      if (!remoteAddress || !admits(target, bareHost(target.hostname), remoteAddress)) throw refused(target);
    },
  };
}

export function asTarget(url: URL): Target {
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { protocol: url.protocol, hostname: url.hostname, port };
}

/** Lower case, without brackets and without the root's dot. */
export function bareHost(hostname: string): string {
  return hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.+$/, '');
}

function parseTarget(url: string | URL): URL {
  if (typeof url === 'string' && rawTrick.test(url))
    throw new TargetRefused('the URL has characters parsers disagree on');
  const parsed = URL.parse(String(url));
  if (!parsed) throw new TargetRefused('not a URL');
  if (parsed.protocol !== 'https:' && parsed.protocol !== 'http:') {
    throw new TargetRefused(`scheme ${parsed.protocol} is not allowed`);
  }
  if (parsed.username !== '' || parsed.password !== '') throw new TargetRefused('the URL carries a user name');
  if (bareHost(parsed.hostname) === '') throw new TargetRefused('the URL names no host');
  return parsed;
}

function refused(target: Target): TargetRefused {
  return new TargetRefused(
    `${target.protocol}//${target.hostname}:${target.port} is not an address requests may reach`,
  );
}

interface AllowRules {
  readonly ranges: readonly Cidr[];
  /** Exact names; with a leading dot: every name below. */
  readonly hosts: readonly string[];
}

function parseAllow(entries: readonly string[]): AllowRules {
  const ranges: Cidr[] = [];
  const hosts: string[] = [];
  for (const entry of entries) {
    const host = bareHost(entry.trim());
    if (ipaddr.isValidCIDR(host)) ranges.push(ipaddr.parseCIDR(host));
    else if (isIP(host) !== 0) ranges.push(ipaddr.parseCIDR(`${host}/${isIP(host) === 4 ? 32 : 128}`));
    else if (/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host)) hosts.push(host.replace(/^\*/, ''));
    else throw new GatehouseError('setting', { message: `"${entry}" is no address, range or host name to allow` });
  }
  return { ranges, hosts };
}

function isListedHost(hosts: readonly string[], host: string): boolean {
  return hosts.some((listed) => (listed.startsWith('.') ? host.endsWith(listed) : host === listed));
}
