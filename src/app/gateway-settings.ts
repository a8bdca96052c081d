/** The configuration in the words of the rooms. */
import type { Config } from '#config/load.ts';
import { isLoopback } from '#config/loopback.ts';
import type { BulkheadSettings } from '#gateway/bulkheads.ts';
import type { CallLimits } from '#gateway/limits.ts';
import type { ReceiveOptions } from '#gateway/receive.ts';
import type { TimeoutSettings } from '#gateway/transform.ts';
import { addressReader, proxyCheck } from '#http/client-address.ts';
import type { ListenerOptions } from '#http/server.ts';
import type { JsonLimits } from '#mcp/json-scan.ts';
import { type Listing, plainListing } from '#records/snapshot.ts';

export function callLimits({ limits }: Config): CallLimits {
  return {
    enabled: limits.enabled,
    retryAfterSeconds: limits.openWebui ? 60 : undefined,
    perPrincipalPerMinute: limits.principal.requestsPerMinute,
    perOrganizationPerMinute: limits.organization.requestsPerMinute,
    perStrangerPerMinute: limits.address.requestsPerMinute,
    signInPerAddressPerMinute: limits.address.authPerMinute,
    concurrentPerPrincipal: limits.principal.concurrentCalls,
    concurrentPerOrganization: limits.organization.concurrentCalls,
    streamsPerPrincipal: limits.principal.streams,
    streamsPerOrganization: limits.organization.streams,
    streamsPerReplica: limits.replica.streams,
  };
}

export function bulkheadSettings({ limits: { upstream } }: Config): BulkheadSettings {
  return { places: upstream.concurrentCalls, queue: upstream.queuedCalls, waitMs: upstream.queueWaitMs };
}

export function timeoutSettings({ limits: { timeouts } }: Config): TimeoutSettings {
  return {
    callHeadersMs: timeouts.toolCallHeadersMs,
    callTotalMs: timeouts.toolCallMs,
    callMaxMs: timeouts.toolCallMaxMs,
    listTotalMs: timeouts.listMs,
    initializeTotalMs: timeouts.initializeMs,
    resourceReadTotalMs: timeouts.resourceReadMs,
    idleMs: timeouts.idleMs,
  };
}

export function jsonLimits({ limits: { request } }: Config): JsonLimits {
  return {
    depth: request.jsonDepth,
    keys: request.jsonKeys,
    tokens: request.jsonTokens,
    stringBytes: request.stringBytes,
  };
}

export function listenerOptions({ http, limits }: Config): ListenerOptions {
  const { timeouts } = http;
  return {
    host: http.host,
    port: http.port,
    headersTimeoutMs: timeouts.headersMs,
    requestTimeoutMs: timeouts.bodyMs,
    keepAliveTimeoutMs: timeouts.keepAliveMs,
    maxHeaderBytes: limits.request.headerBytes,
    maxConnections: limits.replica.sockets,
    perAddress: {
      max: limits.address.connections,
      // Whoever is on this machine could do worse, and proxies speak for many.
      isExempt: connectionExemption(http.trustedProxies),
    },
  };
}

function connectionExemption(trusted: readonly string[]): (address: string) => boolean {
  const isProxy = proxyCheck(trusted);
  return (address) => /^(?:::ffff:)?127\.|^::1$/.test(address) || isProxy(address);
}

/** Origins that are ours: the base URL's, what the operator adds, and on a loopback listener the machine itself. */
export function receiveOptions(
  { http, limits, baseUrlGiven }: Config,
  { baseUrl, hosts }: { readonly baseUrl: string; readonly hosts: ReceiveOptions['hosts'] },
): ReceiveOptions {
  const base = new URL(baseUrl);
  return {
    maxTargetBytes: limits.request.urlBytes,
    readAddress: addressReader(http.trustedProxies),
    hosts,
    origins: new Set([base.origin, ...http.allowedOrigins]),
    isInsecure: insecurityCheck(http.trustedProxies, base),
    loopback: isLoopback(http.host) || !baseUrlGiven,
  };
}

/** Only trusted proxies are believed. In a chain of them the first value is what the client used. */
function insecurityCheck(trusted: readonly string[], base: URL): ReceiveOptions['isInsecure'] {
  if (trusted.length === 0 || base.protocol !== 'https:') return () => false;
  const isProxy = proxyCheck(trusted);
  return (socketAddress, forwardedProto) =>
    forwardedProto !== undefined && /^http\s*(?:,|$)/i.test(forwardedProto) && isProxy(socketAddress);
}

/** Where this machine reaches the listener. */
export function localUrl({ http: { host } }: Config, port: number): string {
  const name = isLoopback(host) ? host : 'localhost';
  return `http://${name.includes(':') && !name.startsWith('[') ? `[${name}]` : name}:${port}`;
}

/** How endpoints list that don't say it themselves. */
export const listingOf = ({ http }: Pick<Config, 'http'>): Listing =>
  http.metaTools ? { ...plainListing, mode: 'meta' } : plainListing;
