/** One measurement of one variant: as fast as it goes, then at a modest fixed rate. */
import autocannon from 'autocannon';
import { Agent, request } from 'undici';
import { cpuMicroseconds, residentBytes } from '#kit/process.ts';
import type { Variant } from './variants.ts';

export interface Sample {
  readonly requestsPerSecond: number;
  /** User and system time of the variant's processes. */
  readonly cpuMicrosecondsPerCall: number;
  /** Milliseconds at the fixed rate, from the planned moment of sending to the last byte. */
  readonly p50: number;
  readonly p99: number;
  readonly residentBytes: number;
  /** Answers that were no result. */
  readonly errors: number;
}

export const connections = 16;
export const fixedRate = 500;

/** Ids differ: in one session two calls of one id are not allowed. */
const bodyOf = (id: string) =>
  JSON.stringify({
    jsonrpc: '2.0',
    id,
    method: 'tools/call',
    params: { name: 'retrieve', arguments: { query: 'What is the leave policy for people who work part time?' } },
  });

const headersOf = (variant: Variant) => ({
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  ...variant.headers,
});

export async function measure(variant: Variant, seconds: number): Promise<Sample> {
  const flatOut = await runFlatOut(variant, seconds);
  const paced = await runPaced(variant, seconds);
  const memory = variant.pids.map(residentBytes).reduce((sum, bytes) => sum + bytes, 0);
  return { ...flatOut, ...paced, residentBytes: memory, errors: flatOut.errors + paced.errors };
}

const cpuOf = ({ pids }: Variant) => pids.map(cpuMicroseconds).reduce((sum, time) => sum + time, 0);

async function runFlatOut(variant: Variant, seconds: number) {
  const before = cpuOf(variant);
  const result = await autocannon({
    url: variant.url,
    method: 'POST',
    headers: headersOf(variant),
    // Autocannon puts an id of its own in this place.
    body: bodyOf('[<id>]'),
    idReplacement: true,
    connections,
    duration: seconds,
    timeout: 5,
  });
  const calls = result['2xx'];
  return {
    requestsPerSecond: calls / result.duration,
    cpuMicrosecondsPerCall: calls === 0 ? Number.NaN : (cpuOf(variant) - before) / calls,
    errors: result.non2xx + result.errors,
  };
}

/** Autocannon counts whole milliseconds: the fixed rate is measured here, by the planned moment (no coordinated omission). */
async function runPaced(variant: Variant, seconds: number) {
  const agent = new Agent({ connections: 64, pipelining: 1, headersTimeout: 5000, bodyTimeout: 5000 });
  const latencies: number[] = [];
  let errors = 0;
  const total = fixedRate * seconds;
  const startAt = performance.now() + 20;
  const pending: Promise<void>[] = [];

  async function one(id: number, plannedAt: number): Promise<void> {
    try {
      const answer = await request(variant.url, {
        dispatcher: agent,
        method: 'POST',
        headers: headersOf(variant),
        body: bodyOf(`paced-${id}`),
      });
      const text = await answer.body.text();
      latencies.push(performance.now() - plannedAt);
      if (!text.includes('"result"')) errors++;
    } catch {
      errors++;
    }
  }

  await new Promise<void>((resolve) => {
    let sent = 0;
    const tick = () => {
      const now = performance.now();
      while (sent < total && startAt + (sent * 1000) / fixedRate <= now) {
        pending.push(one(sent, startAt + (sent * 1000) / fixedRate));
        sent++;
      }
      if (sent === total) resolve();
      else setTimeout(tick, 1);
    };
    tick();
  });
  await Promise.all(pending);
  await agent.close();
  latencies.sort((a, b) => a - b);
  return { p50: quantile(latencies, 0.5), p99: quantile(latencies, 0.99), errors };
}

export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
