/** Sizes, counts and timeouts of SECURITY.md 3.2 and 3.3: every one can be set, every one has the page's default. */
import { z } from 'zod';

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

export const limits = section({
  timeouts: section({
    dnsMs: milliseconds(2000),
    connectMs: milliseconds(3000),
    tlsMs: milliseconds(3000),
    headersMs: milliseconds(30_000),
    toolCallHeadersMs: milliseconds(60_000),
    idleMs: milliseconds(60_000),
    toolCallMs: milliseconds(120_000, 3_600_000),
    listMs: milliseconds(15_000),
    resourceReadMs: milliseconds(60_000),
    initializeMs: milliseconds(10_000),
    streamHeartbeatMs: milliseconds(15_000),
    streamMaxAgeMs: milliseconds(3_600_000),
    jwksMs: milliseconds(3000),
    clientMetadataMs: milliseconds(3000),
    tokenEndpointMs: milliseconds(10_000),
    policyMs: milliseconds(50),
  }),
  request: section({
    urlBytes: count(2 * KiB, { min: 256 }),
    authorizeUrlBytes: count(8 * KiB, { min: 256 }),
    headerBytes: count(16 * KiB, { min: KiB }),
    headerCount: count(100, { min: 10 }),
    mcpBytes: count(MiB, { max: 10 * MiB }),
    adminBytes: count(256 * KiB),
    tokenBytes: count(16 * KiB),
    registerBytes: count(16 * KiB),
    jsonDepth: count(32),
    jsonKeys: count(5000),
    jsonTokens: count(200_000),
    stringBytes: count(MiB),
  }),
  fetched: section({
    clientMetadataBytes: count(5 * KiB),
    jwksBytes: count(256 * KiB),
    jwksKeys: count(100),
    metadataBytes: count(64 * KiB),
  }),
  upstream: section({
    responseBytes: count(10 * MiB, { max: 50 * MiB }),
    sseEventBytes: count(4 * MiB),
    sseEvents: count(10_000),
    tools: count(500),
    collectionTools: count(2000),
    descriptionBytes: count(16 * KiB),
    schemaBytes: count(128 * KiB),
    schemaDepth: count(32),
    listPages: count(50),
    concurrentCalls: count(32),
    queuedCalls: count(64, { min: 0 }),
    queueWaitMs: milliseconds(1000),
    sockets: count(32),
  }),
  principal: section({
    requestsPerMinute: count(600),
    concurrentCalls: count(20),
    streams: count(10),
    sessions: count(5),
  }),
  organization: section({
    requestsPerMinute: count(6000),
    concurrentCalls: count(200),
    streams: count(2000),
    children: count(20),
    containers: count(10),
    servers: count(100),
  }),
  address: section({
    requestsPerMinute: count(300),
    /** At the OAuth endpoints, this machine aside: a whole office may sign in at nine behind one address. */
    authPerMinute: count(3000),
    connections: count(100),
  }),
  replica: section({
    sockets: count(12_000),
    upstreamSockets: count(2000),
    streams: count(8000),
    heapPercent: count(80, { max: 100 }),
  }),
  retry: section({
    attempts: count(1, { min: 0, max: 1 }),
    budgetPercent: count(10, { min: 0, max: 100 }),
    jitterMinMs: milliseconds(50),
    jitterMaxMs: milliseconds(250),
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
  adminQueryMs: milliseconds(10_000),
  analyticsQueryMs: milliseconds(15_000),
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
