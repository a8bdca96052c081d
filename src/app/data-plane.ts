/** The rooms of the data plane, given what they work with. */

import type { Identities } from '#adapters/identity/identities.ts';
import { limiterAdapters } from '#adapters/limiter/index.ts';
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { deriveKey } from '#core/derive.ts';
import { openChangeFeed } from '#db/notified-change-feed.ts';
import { type McpHandler, openGateway } from '#gateway/gateway.ts';
import { type Heartbeat, openHeartbeat } from '#gateway/heartbeat.ts';
import { openIdentifier } from '#gateway/identify.ts';
import { openLimits } from '#gateway/limits.ts';
import type { Metrics } from '#gateway/metrics.ts';
import type { ReceiveOptions } from '#gateway/receive.ts';
import { openRevocations } from '#gateway/revocations.ts';
import { openSessions } from '#gateway/session.ts';
import { openUpstreams } from '#gateway/upstreams.ts';
import { addressReader } from '#http/client-address.ts';
import type { RootLog } from '#http/log.ts';
import { insertCallRecords } from '#records/call-rows.ts';
import { openCredentialOpener } from '#records/credential-opener.ts';
import { findSealedCredential } from '#records/credentials.ts';
import { type KeyVerifier, openKeyVerifier } from '#records/key-verifier.ts';
import { findKey, touchKeys } from '#records/keys.ts';
import { insertSessionRevocation, listSessionRevocations } from '#records/session-revocations.ts';
import { openSnapshotStore } from '#records/snapshot-store.ts';
import { openSpool, type Spool } from '#records/spool.ts';
import type { Closers } from './closers.ts';
import { type Storage, spoolFolder } from './storage.ts';

export interface DataPlaneDeps {
  readonly storage: Storage;
  readonly identities: Identities;
  readonly openUpstream: (target: UpstreamTarget) => Upstream;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: RootLog;
  readonly closers: Closers;
  /** True with an identity provider: challenges then name the metadata. */
  readonly oauth: boolean;
  readonly receive: ReceiveOptions;
  /** Known once the port is. */
  readonly baseUrl: string;
}

export interface DataPlane {
  readonly handle: McpHandler;
  readonly keys: KeyVerifier;
  readonly heartbeat: Heartbeat;
  readonly spool: Spool;
}

export async function openDataPlane(config: Config, deps: DataPlaneDeps): Promise<DataPlane> {
  const { storage, clock, log, closers, metrics } = deps;
  const { db, database, vault, apiKeys, rootSecret } = storage;
  const feed = await openChangeFeed({ db, notifications: database, log });
  closers.add('change feed', () => feed.close());
  const snapshots = openSnapshotStore({ db, feed, clock, log });
  closers.add('snapshots', () => snapshots.close());
  const keys = openKeyVerifier({
    keys: apiKeys,
    findKey: (id) => findKey(db, id),
    clock,
    feed,
    touch: (ids, atMs) => touchKeys(db, ids, atMs),
  });
  closers.add('key verifier', () => keys.close());
  const revocations = await openRevocations({
    store: {
      list: () => listSessionRevocations(db, clock.now()),
      insert: (digest, expiresAt) => insertSessionRevocation(db, { digest, expiresAt }),
    },
    feed,
    clock,
    onError: (error) => log.error({ err: error }, 'ended sessions could not be read'),
  });
  closers.add('session revocations', () => revocations.close());
  const limiter = await limiterAdapters.open({ kind: 'memory' }, { log });
  closers.add('limiter', () => limiter.close());
  const limits = openLimits(callLimits(config), limiter);
  const spool = openSpool({
    directory: spoolFolder(config.dataDir),
    insert: (records) => insertCallRecords(db, records),
    clock,
    log,
    maxBytes: config.audit.spoolBytes,
    maxAgeMs: config.audit.spoolMaxAgeMs,
    whenFull: config.audit.calls,
  });
  closers.add('spool', async () => {
    await spool.flush(5000);
    await spool.close();
  });
  const upstreams = openUpstreams(deps.openUpstream);
  closers.add('upstreams', () => upstreams.close());
  const heartbeat = openHeartbeat(clock);
  closers.add('streams', () => heartbeat.close());
  metrics.watch('active_calls', () => limits.active.calls);
  metrics.watch('streams', () => limits.active.streams);
  metrics.watch('spool_bytes', () => spool.bytes);
  metrics.watchTotal('spool_dropped', () => spool.dropped);
  metrics.watchTotal('spool_refused', () => spool.refused);
  const { request, timeouts } = config.limits;
  const handle = openGateway({
    identifier: openIdentifier({ tokens: deps.identities, keys, clock }),
    snapshots,
    credentials: openCredentialOpener({
      vault,
      findSealed: (credential) => findSealedCredential(db, credential),
      clock,
    }),
    sessions: openSessions({
      key: deriveKey(rootSecret.reveal(), 'mcp-session'),
      clock,
      ttlSeconds: config.limits.sessionTtlSeconds,
      revocations,
    }),
    limits,
    recorder: spool,
    heartbeat,
    upstreams,
    observe: (record) => metrics.observe(record),
    logRequest: (record, fields) =>
      log.request(
        { method: record.httpMethod, path: record.path, status: record.status, durationMs: record.durationMs },
        fields,
      ),
    clock,
    log,
    receive: deps.receive,
    render: { baseUrl: deps.baseUrl, oauth: deps.oauth, allowedMethods: 'POST, GET, DELETE' },
    timeouts: {
      callHeadersMs: timeouts.toolCallHeadersMs,
      callTotalMs: timeouts.toolCallMs,
      listTotalMs: timeouts.listMs,
      initializeTotalMs: timeouts.initializeMs,
      idleMs: timeouts.idleMs,
    },
    json: {
      depth: request.jsonDepth,
      keys: request.jsonKeys,
      tokens: request.jsonTokens,
      stringBytes: request.stringBytes,
    },
    maxBodyBytes: request.mcpBytes,
  });
  return { handle, keys, heartbeat, spool };
}

function callLimits({ limits }: Config) {
  return {
    perPrincipalPerMinute: limits.principal.requestsPerMinute,
    perOrganizationPerMinute: limits.organization.requestsPerMinute,
    perStrangerPerMinute: limits.address.requestsPerMinute,
    concurrentPerPrincipal: limits.principal.concurrentCalls,
    concurrentPerOrganization: limits.organization.concurrentCalls,
    streamsPerPrincipal: limits.principal.streams,
    streamsPerOrganization: limits.organization.streams,
  };
}

/** Hosts and origins that are ours: the base URL's, what the operator adds, and on a loopback listener the machine itself. */
export function receiveOptions(config: Config, baseUrl: string, loopback: boolean): ReceiveOptions {
  const base = new URL(baseUrl);
  return {
    maxTargetBytes: config.limits.request.urlBytes,
    readAddress: addressReader(config.http.trustedProxies),
    hosts: new Set([base.host.toLowerCase(), ...config.http.allowedHosts.map((host) => host.toLowerCase())]),
    origins: new Set([base.origin, ...config.http.allowedOrigins]),
    loopback,
  };
}
