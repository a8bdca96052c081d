/** Sizes, counts and timeouts of SECURITY.md 3.2 and 3.3: every one can be set, every one has the page's default. */
import { z } from 'zod';
import { fileLimitRule as limitRule } from '#admin/limit-nouns.ts';

const KiB = 1024;
const MiB = 1024 * KiB;

/** Text from the environment or a `${…}` reference counts as a number where one is asked for. */
function numeric(value: unknown): unknown {
  return typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : value;
}

export function count(fallback: number, bounds: { readonly min?: number; readonly max?: number } = {}) {
  const { min = 1, max = Number.MAX_SAFE_INTEGER } = bounds;
  return z.preprocess(numeric, z.int().min(min).max(max)).default(fallback);
}

const sizes: Readonly<Record<string, number>> = { '': 1, b: 1, k: KiB, kb: KiB, m: MiB, mb: MiB };

/** Bytes, or text with a unit. */
function size(fallback: number, max: number) {
  const read = (value: unknown) => {
    const match = typeof value === 'string' ? /^(\d+)\s*([kmb]b?)?$/.exec(value.trim().toLowerCase()) : null;
    return match ? Number(match[1]) * (sizes[match[2] ?? ''] ?? Number.NaN) : value;
  };
  return z.preprocess(read, z.int().min(1).max(max)).default(fallback);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `30s`, `500ms`, `5m` in milliseconds; undefined without a unit. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+)(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Number(match[1]) * (unitMs[match[2] ?? ''] ?? 1) : undefined;
}

/** Milliseconds, or text with a unit. */
function milliseconds(fallback: number, max = 86_400_000) {
  const read = (value: unknown) => (typeof value === 'string' ? (parseDuration(value) ?? numeric(value)) : value);
  return z.preprocess(read, z.int().min(1).max(max)).default(fallback);
}

/** A strict object whose every field has a default is itself optional. */
export function section<Shape extends z.ZodRawShape>(shape: Shape) {
  return z.strictObject(shape).prefault({} as z.input<z.ZodObject<Shape, z.core.$strict>>);
}

export const inboundTimeouts = section({
  headersMs: milliseconds(10_000),
  bodyMs: milliseconds(30_000),
  checkIntervalMs: milliseconds(1000),
  keepAliveMs: milliseconds(65_000),
  drainMs: milliseconds(25_000),
});

const flag = (fallback: boolean) =>
  z
    .preprocess(
      (value) => (value === 'true' || value === '1' ? true : value === 'false' || value === '0' ? false : value),
      z.boolean(),
    )
    .default(fallback);

/** Everybody's; `rules` are what single organizations decide. */
export const limits = section({
  enabled: flag(true).describe('false: no rates are counted. How much may be under way at once still is.'),
  openWebui: flag(false).describe(
    'Rates are refused as Open WebUI knows it: `{"detail"}`, `Retry-After: 60`. Set by its variables.',
  ),
  rules: z.array(limitRule).default([]).describe('What single organizations allow: see the guide on limits.'),
  timeouts: section({
    dnsMs: milliseconds(2000),
    connectMs: milliseconds(3000),
    tlsMs: milliseconds(3000),
    headersMs: milliseconds(30_000),
    toolCallHeadersMs: milliseconds(60_000),
    idleMs: milliseconds(60_000),
    toolCallMs: milliseconds(120_000, 3_600_000),
    toolCallMaxMs: milliseconds(3_600_000).describe('The most that a server or a tool may be given.'),
    listMs: milliseconds(15_000),
    resourceReadMs: milliseconds(60_000),
    initializeMs: milliseconds(10_000),
    streamHeartbeatMs: milliseconds(15_000),
    streamMaxAgeMs: milliseconds(3_600_000),
  }),
  request: section({
    urlBytes: count(2 * KiB, { min: 256 }),
    headerBytes: count(16 * KiB, { min: KiB }),
    mcpBytes: size(MiB, 10 * MiB).describe('Bytes, or text such as 1MB.'),
    adminBytes: count(256 * KiB),
    jsonDepth: count(32),
    jsonKeys: count(5000),
    jsonTokens: count(200_000),
    stringBytes: count(MiB),
  }),
  upstream: section({
    concurrentCalls: count(32).describe('Calls of one organization under way at one server,'),
    queuedCalls: count(64, { min: 0 }).describe('calls of it that wait for a place there,'),
    queueWaitMs: milliseconds(1000).describe('and for how long, in milliseconds.'),
    sockets: count(256).describe('Connections of one replica to one server, for calls of all organizations.'),
  }),
  principal: section({
    requestsPerMinute: count(600),
    concurrentCalls: count(20),
    streams: count(10),
  }),
  organization: section({
    requestsPerMinute: count(6000),
    concurrentCalls: count(200),
    streams: count(2000),
    children: count(20),
    containers: count(10),
  }),
  address: section({
    requestsPerMinute: count(300),
    /** At the OAuth endpoints, this machine aside: a whole office may sign in at nine behind one address. */
    authPerMinute: count(3000),
    connections: count(100).describe(
      'Open at once from one address (IPv6: one /64), this machine and trusted proxies aside.',
    ),
  }),
  replica: section({
    sockets: count(12_000),
    streams: count(8000),
    heapPercent: count(80, { max: 100 }).describe('Of its memory in use: new requests are then refused with 503.'),
  }),
  breaker: section({
    consecutiveFailures: count(5),
    failurePercent: count(50, { max: 100 }),
    minimumCalls: count(20),
    windowMs: milliseconds(10_000),
    openMs: milliseconds(5000),
    openMaxMs: milliseconds(60_000),
  }),
  /** Lifetime of a legacy session: sealed in its id. */
  sessionTtlSeconds: count(86_400),
});

export const databaseTimeouts = {
  connectMs: milliseconds(1000),
  queryMs: milliseconds(2000),
};

export const redisTimeouts = { commandMs: milliseconds(300) };

export const auditLimits = {
  spoolBytes: count(256 * MiB, { min: MiB }),
  spoolMaxAgeMs: milliseconds(600_000),
  retentionDays: count(400, { min: 0 }).describe('Days that the trail is kept; 0: for ever.'),
};

export const usageLimits = {
  retentionDays: count(400, { min: 0 }).describe('Days that usage is kept; 0: for ever.'),
};

/** When what somebody does is worth a look: so many times within ten minutes. */
export const suspicionLimits = {
  failuresPerAddress: count(30).describe('Refused sign-ins and tokens from one address.'),
  failuresPerAccount: count(10).describe('Refused sign-ins of one account.'),
  addressesPerToken: count(5).describe('Addresses that one person or key calls from.'),
  scopeRefusals: count(10).describe('Calls of one caller beyond its scopes or rights.'),
  unknownOrganizations: count(20).describe(
    'Organizations and servers asked for that are not there, or not open to the caller.',
  ),
};

export const runnerLimits = {
  startMs: milliseconds(10_000),
  stopMs: milliseconds(2000),
  killMs: milliseconds(3000),
  idleMs: milliseconds(300_000),
  lifeMs: milliseconds(3_600_000),
};
