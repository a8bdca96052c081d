import { afterEach, beforeEach, expect, test } from 'vitest';
import { openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import type { Upstream } from '#adapters/upstream/upstream.ts';
import { silentLog } from '#core/log.ts';
import { type Breakers, openBreakers } from '#gateway/breakers.ts';
import { type Eras, openEras } from '#gateway/peers/eras.ts';
import { type ManualClock, manualClock } from '#kit/identity/manual-clock.ts';
import { server, snapshot } from '#kit/one-endpoint.ts';
import { bindingOf } from '#kit/peers.ts';
import { startToolServer, type ToolServer } from '#kit/tool-server.ts';
import { type Health, openHealth } from './health.ts';
import { openProbe } from './probe.ts';

const settings = {
  ...{ consecutiveFailures: 5, failurePercent: 50, minimumCalls: 20, windowMs: 10_000 },
  ...{ openMs: 5000, openMaxMs: 60_000 },
};
const org = snapshot.id;
const binding = bindingOf(1, { ...server, trusted: true });

let clock: ManualClock;
let tools: ToolServer;
let upstream: Upstream;
let eras: Eras;
let breakers: Breakers;
let health: Health;

beforeEach(async () => {
  clock = manualClock(0);
  tools = await startToolServer({ era: 'legacy' });
  upstream = openHttpUpstream({
    transport: { kind: 'http', url: tools.url },
    ...{ connections: 8, queue: 8, connectTimeoutMs: 1000 },
  });
  eras = openEras({ clock, ttlMs: 3_600_000 });
  health = openHealth({ clock, log: silentLog });
  breakers = openBreakers({ settings, clock, log: silentLog, onReport: health.heard });
  const probe = openProbe({
    upstreams: { get: () => upstream },
    credentials: { find: () => undefined, open: () => Promise.reject(new Error('no credential')) },
    eras,
    patienceMs: 200,
    timeouts: {
      ...{ callHeadersMs: 2000, callTotalMs: 3000, listTotalMs: 3000, resourceReadTotalMs: 3000 },
      ...{ initializeTotalMs: 2000, idleMs: 2000 },
    },
  });
  health.start({ probe, breakers });
});
afterEach(async () => {
  health.close();
  await upstream.close();
  await tools.close();
});

const asked = () => tools.upstream.requests.map(({ method, rpc }) => String(rpc.method ?? method));
const call = () => {
  health.note(snapshot, binding);
  return breakers.admit(org, server.id);
};
async function pass(ms: number): Promise<void> {
  clock.advance(ms);
  await health.check();
}
const down = () => tools.upstream.script((_request, res) => void res.writeHead(503).end());

test('a server in use that was silent for 30 s is asked by a real initialize, who calls is not named [S4.25] [S4.11]', async () => {
  expect(health.find(org, binding)).toEqual({ instances: 1, healthy: 1, capabilities: [], lastCheck: null });
  call();
  await pass(29_999);
  expect(asked()).toEqual([]);
  await pass(1);
  expect(asked()).toEqual(['initialize']);
  expect(tools.upstream.requests[0]?.headers['x-user-id']).toBeUndefined();
  expect(health.find(org, binding)).toEqual({
    ...{ instances: 1, healthy: 1, capabilities: ['tools', 'logging'] },
    lastCheck: '1970-01-01T00:00:30.000Z',
  });
});

test('one that fails is left alone before a call has to, and used again as soon as it answers [S4.25]', async () => {
  call();
  down();
  await pass(30_000);
  expect(health.find(org, binding).healthy).toBe(0);
  expect(call).toThrow(expect.objectContaining({ code: 'upstream_unreachable' }));
  tools.upstream.script((_request, res) => {
    res.writeHead(200, { 'content-type': 'application/json', 'mcp-session-id': 'a-session' });
    res.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { capabilities: {} } }));
  });
  tools.upstream.clear();
  await pass(30_000);
  expect(health.find(org, binding).healthy).toBe(1);
  expect(call()).toBe('usual');
  // The session that it began is ended.
  expect(asked()).toEqual(['initialize', 'DELETE']);
  expect(tools.upstream.requests[1]?.headers['mcp-session-id']).toBe('a-session');
});

test('one that is silent has its few seconds; one lost answer is no failure [S4.25] [S4.11]', async () => {
  call();
  tools.upstream.script(() => undefined);
  await pass(30_000);
  expect(breakers.isOpen(org, server.id)).toBe(true);
  let isFirst = true;
  tools.upstream.script((_request, res) => {
    if (isFirst) res.destroy();
    else res.writeHead(400, { 'content-type': 'text/plain' }).end('no');
    isFirst = false;
  });
  await pass(30_000);
  expect(breakers.isOpen(org, server.id)).toBe(false);
});

test('who answers calls is not asked, nor who is called no more; a modern server is asked to discover [S4.25]', async () => {
  eras.note(server, 'modern', true);
  for (let minute = 0; minute < 5; minute++) {
    breakers.report({ pass: call(), org, server: server.id }, 'answered');
    await pass(20_000);
  }
  expect(asked()).toEqual([]);
  await pass(10_000);
  expect(asked()).toEqual(['server/discover']);
  tools.upstream.clear();
  await pass(600_000);
  await pass(30_000);
  expect(asked()).toEqual([]);
});

test('a pinned server is asked for its revision, and one that answers with another is not well: three times, not while it starts [S1.35]', async () => {
  const transport = { kind: 'http', url: tools.url, protocolVersion: '2024-11-05' } as const;
  const pinned = bindingOf(1, { ...server, transport });
  let version = '2025-06-18';
  const wanted: unknown[] = [];
  tools.upstream.script(({ rpc }, res) => {
    const { params } = rpc;
    wanted.push(typeof params === 'object' && params !== null && 'protocolVersion' in params && params.protocolVersion);
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(
      JSON.stringify({ jsonrpc: '2.0', id: 1, result: { protocolVersion: version, capabilities: { tools: {} } } }),
    );
  });
  health.note(snapshot, pinned);
  const isWell = () => health.find(org, pinned).healthy === 1;
  await pass(30_000);
  await pass(30_000);
  expect(isWell()).toBe(true);
  await pass(30_000);
  expect(isWell()).toBe(false);
  expect(new Set(wanted)).toEqual(new Set(['2024-11-05']));
  version = '2024-11-05';
  await pass(30_000);
  expect(isWell()).toBe(true);
});
