import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { asTarget, bareHost } from './address-guard.ts';
import { type Cidr, isWithin, parseAddress } from './special-addresses.ts';

/** The values of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, read by config; empty is the same as absent. */
export interface ProxySettings {
  readonly http?: string | undefined;
  readonly https?: string | undefined;
  /** Comma or blank separated: `*`, host, `.domain`, `*.domain`, address, CIDR; each but `*` with an optional `:port`. */
  readonly none?: string | undefined;
}

export type ProxyChoice = (url: URL) => string | undefined;

/** The forward proxy for a URL, or undefined for a direct connection. This machine itself is never asked for by proxy. */
export function proxyChoice(settings: ProxySettings = {}): ProxyChoice {
  const exceptions = (settings.none ?? '')
    .split(/[,\s]+/)
    .filter((entry) => entry !== '')
    .map(parseException);
  return (url) => {
    const proxy = url.protocol === 'https:' ? settings.https : settings.http;
    if (!proxy) return undefined;
    const { hostname, port } = asTarget(url);
    const host = bareHost(hostname);
    if (isThisMachine(host)) return undefined;
    return exceptions.some((isException) => isException(host, port)) ? undefined : proxy;
  };
}

type Exception = (host: string, port: number) => boolean;

function parseException(entry: string): Exception {
  const { name, port } = splitPort(entry.toLowerCase());
  const matches = hostMatcher(name);
  return (host, askedPort) => (port === undefined || port === askedPort) && matches(host);
}

function splitPort(entry: string): { readonly name: string; readonly port: number | undefined } {
  const match = /^(\[.+\]|[^:]+):(\d+)$/.exec(entry);
  return { name: bareHost(match?.[1] ?? entry), port: match ? Number(match[2]) : undefined };
}

function hostMatcher(name: string): (host: string) => boolean {
  if (name === '*') return () => true;
  if (ipaddr.isValidCIDR(name)) {
    const range: Cidr = ipaddr.parseCIDR(name);
    return (host) => isIP(host) !== 0 && isWithin(parseAddress(host), range);
  }
  if (isIP(name) !== 0) {
    const wanted = parseAddress(name).toString();
    return (host) => isIP(host) !== 0 && parseAddress(host).toString() === wanted;
  }
  const below = `.${name.replace(/^\*?\./, '')}`;
  const only = name.startsWith('*.');
  return (host) => host.endsWith(below) || (!only && `.${host}` === below);
}

function isThisMachine(host: string): boolean {
  if (isIP(host) === 0) return host === 'localhost' || host.endsWith('.localhost');
  return parseAddress(host).range() === 'loopback';
}
