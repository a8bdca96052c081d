import { describe, expect, test } from 'vitest';
import { errorTable } from '#core/error.ts';
import { asOrgId } from '#core/ids.ts';
import { callRecord } from '#kit/call-records.ts';
import { type CallShape, openMetrics } from './metrics.ts';

const series = (text: string): string[] => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const legacy: CallShape = { endpointKind: 'collection', era: 'legacy' };

describe('the metrics', () => {
  test('a call is counted by endpoint, era, method and status, and timed', async () => {
    const metrics = openMetrics();
    metrics.observe(callRecord({ durationMs: 12, upstreamMs: 7, bytesIn: 10, bytesOut: 20 }), legacy);
    metrics.observe(callRecord({ durationMs: 12_000, upstreamMs: null, bytesIn: 1, bytesOut: 2 }), legacy);
    const lines = series(await metrics.text());
    expect(lines).toEqual(
      expect.arrayContaining([
        'gatehouse_calls_total{endpoint="collection",era="legacy",status="2xx"} 2',
        'gatehouse_rpc_calls_total{method="tools/call",status="2xx"} 2',
        'gatehouse_call_bytes_total{direction="in"} 11',
        'gatehouse_call_bytes_total{direction="out"} 22',
        'gatehouse_call_seconds_bucket{le="0.01",method="tools/call"} 0',
        'gatehouse_call_seconds_bucket{le="0.025",method="tools/call"} 1',
        'gatehouse_call_seconds_bucket{le="10",method="tools/call"} 1',
        'gatehouse_call_seconds_bucket{le="30",method="tools/call"} 2',
        'gatehouse_call_seconds_bucket{le="+Inf",method="tools/call"} 2',
        'gatehouse_call_seconds_sum{method="tools/call"} 12.012',
        'gatehouse_call_seconds_count{method="tools/call"} 2',
        'gatehouse_upstream_seconds_count{method="tools/call"} 1',
      ]),
    );
  });

  test('sign-ins that succeed and fail are counted, and why calls were refused [S4.15]', async () => {
    const metrics = openMetrics();
    metrics.observe(callRecord());
    metrics.observe(callRecord({ principalKind: 'api-key', status: 403, reason: 'role_denied' }));
    metrics.observe(callRecord({ principalKind: null, status: 401, reason: 'invalid_token' }));
    metrics.observe(callRecord({ principalKind: null, status: 401, reason: 'no_token' }));
    const lines = series(await metrics.text());
    expect(lines).toEqual(
      expect.arrayContaining([
        'gatehouse_authentications_total{principal="user",result="success"} 1',
        'gatehouse_authentications_total{principal="api-key",result="success"} 1',
        'gatehouse_authentications_total{principal="none",result="failure"} 1',
        'gatehouse_call_failures_total{reason="role_denied"} 1',
        'gatehouse_call_failures_total{reason="invalid_token"} 1',
      ]),
    );
  });

  test('times of token checks and statements are there [S4.15]', async () => {
    const metrics = openMetrics();
    metrics.observeTokenCheck(0.05);
    metrics.observeQuery(3);
    const lines = series(await metrics.text());
    expect(lines).toContain('gatehouse_token_check_seconds_bucket{le="0.0001"} 1');
    expect(lines).toContain('gatehouse_query_seconds_bucket{le="0.001"} 0');
    expect(lines).toContain('gatehouse_query_seconds_bucket{le="0.005"} 1');
  });

  test('the first record of a stream is not counted, its last is', async () => {
    const metrics = openMetrics();
    metrics.observe(callRecord({ open: true }));
    metrics.observe(callRecord({ open: false }));
    expect(await metrics.text()).toContain('gatehouse_rpc_calls_total{method="tools/call",status="2xx"} 1');
  });

  test('what is watched is read when asked', async () => {
    const metrics = openMetrics();
    let streams = 3;
    metrics.watch('streams', () => streams);
    metrics.watchTotal('spool_dropped', () => streams);
    expect(await metrics.text()).toContain('gatehouse_streams 3');
    streams = 5;
    const text = await metrics.text();
    expect(text).toContain('gatehouse_streams 5');
    expect(text).toContain('gatehouse_spool_dropped_total 5');
    expect(text).toContain('gatehouse_active_calls 0');
  });

  test('processor, memory and event-loop lag of the process are there', async () => {
    const metrics = openMetrics();
    const text = await metrics.text();
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'nodejs_eventloop_lag_p99_seconds',
    ]) {
      expect(text).toContain(name);
    }
    expect(metrics.contentType).toContain('text/plain');
  });

  test('two registries do not meet', async () => {
    const [one, two] = [openMetrics(), openMetrics()];
    one.observe(callRecord());
    expect(await two.text()).not.toContain('gatehouse_rpc_calls_total{');
  });

  test('a hundred thousand tools, servers and organizations that answer well make no more series than a few [I7]', async () => {
    const metrics = openMetrics();
    for (let i = 0; i < 100_000; i++) {
      const org = asOrgId(`0197a000-0000-7000-8000-${i.toString(16).padStart(12, '0')}`);
      const record = callRecord({
        org,
        name: `canary-${i}`,
        server: `server-${i}`,
        rpcMethod: 'tools/call',
        status: 200,
      });
      metrics.observe({ ...record, reason: null, decision: 'allow' }, { endpointKind: 'server', era: 'modern' });
    }
    const text = await metrics.text();
    expect(series(text).length).toBeLessThan(2000);
    expect(text).not.toContain('canary');
  });

  test('neither random names nor every possible call make more than 2,000 series, and no name gets in [I7]', async () => {
    const metrics = openMetrics();
    const kinds = ['none', 'collection', 'server', 'organization'] as const;
    const reasons = Object.keys(errorTable) as (keyof typeof errorTable)[];
    const methods = ['tools/call', 'tools/list', 'initialize', 'ping', 'prompts/get', 'resources/read', 'tasks/get'];
    for (let i = 0; i < 100_000; i++) {
      const stranger = `canary-${i}`;
      metrics.observe(
        callRecord({
          ...{ name: stranger, server: stranger, endpoint: stranger, path: `/${stranger}`, subject: stranger },
          rpcMethod: i % 2 ? stranger : (methods[(i >> 1) % methods.length] ?? null),
          status: (i % 700) + 1,
          reason: reasons[i % reasons.length] ?? null,
        }),
        { endpointKind: kinds[i % 4] ?? 'none', era: i % 3 ? 'legacy' : 'modern' },
      );
    }
    const text = await metrics.text();
    expect(series(text).length).toBeLessThan(2000);
    expect(text).toContain('gatehouse_rpc_calls_total{method="other",status="2xx"}');
    expect(text).not.toContain('canary');
  });
});
