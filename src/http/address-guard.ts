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
   * What the operator opens: an address, a CIDR range, a host name or `*.domain`, each for all ports or, with `:port`,
   * for one (IPv6 in brackets). Only what is listed may be private, speak plain HTTP or use another port.
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
  const rules = (options.allow ?? []).map(parseAllow);
  const ports = new Set(options.ports ?? [443, 8443]);
  const find = options.resolve ?? ((hostname) => lookup(hostname, { all: true, order: 'verbatim' }));

  const isListedName = (target: Target, host: string) => rules.some((rule) => isNamed(rule, host, target.port));
  const rangesFor = (port: number) =>
    rules
      .filter((rule) => rule.port === undefined || rule.port === port)
      .flatMap(({ range }) => (range ? [range] : []));

  /** Only listed addresses will do for this one. */
  const needsListing = (target: Target, host: string) =>
    target.protocol !== 'https:' || !ports.has(target.port) || localName.test(host);

  const admits = (target: Target, host: string, address: string) => {
    if (isListedName(target, host)) return true;
    const parsed = parseAddress(address);
    if (rangesFor(target.port).some((range) => isWithin(parsed, range))) return true;
    return !needsListing(target, host) && !isSpecialAddress(address);
  };

  const check = (url: string | URL, resolvedHere: boolean) => {
    const parsed = parseTarget(url);
    const target = asTarget(parsed);
    const host = bareHost(target.hostname);
    if (isIP(host) !== 0) {
      if (!admits(target, host, host)) throw refused(target);
    } else if (needsListing(target, host) && !isListedName(target, host)) {
      if (!resolvedHere || rangesFor(target.port).length === 0) throw refused(target);
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

/** The `allow` entry for exactly the host and port of a URL that the operator wrote into the configuration. */
export function allowEntry(operatorUrl: string): string {
  const { hostname, port } = asTarget(new URL(operatorUrl));
  return `${hostname}:${port}`;
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

interface AllowRule {
  readonly range?: Cidr;
  /** An exact name; with a leading dot: every name below. */
  readonly host?: string;
  /** Undefined: every port. */
  readonly port?: number;
}

function parseAllow(entry: string): AllowRule {
  const [, written = '', portText] = /^(\[.+\]|[^:]+):(\d{1,5})$/.exec(entry.trim()) ?? [undefined, entry.trim()];
  const host = bareHost(written);
  const port = portText === undefined ? {} : { port: Number(portText) };
  if (isIP(host) !== 0) return { ...port, range: ipaddr.parseCIDR(`${host}/${isIP(host) === 4 ? 32 : 128}`) };
  if (ipaddr.isValidCIDR(host)) return { ...port, range: ipaddr.parseCIDR(host) };
  if (/^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(host)) return { ...port, host: host.replace(/^\*/, '') };
  throw new GatehouseError('setting', { message: `"${entry}" is no address, range or host name to allow` });
}

function isNamed({ host: listed, port: only }: AllowRule, host: string, port: number): boolean {
  if (listed === undefined || (only !== undefined && only !== port)) return false;
  return listed.startsWith('.') ? host.endsWith(listed) : host === listed;
}
