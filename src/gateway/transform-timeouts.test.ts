import { expect, test } from 'vitest';
import { server } from '#kit/one-endpoint.ts';
import { bindingOf } from '#kit/peers.ts';
import { parseToolShaping } from '#records/tool-shaping.ts';
import { timeoutsFor } from './transform.ts';

const settings = {
  ...{ callHeadersMs: 60_000, callTotalMs: 120_000, callMaxMs: 900_000, listTotalMs: 15_000 },
  ...{ initializeTotalMs: 10_000, resourceReadTotalMs: 60_000, idleMs: 60_000 },
};
const shaping = parseToolShaping({ timeoutMs: { report: 600_000, quick: 2000, endless: 86_400_000 } });

test('a tool has its own time, in silence too, the others that of their server, and nobody more than the most', () => {
  const binding = { ...bindingOf(1, { ...server, totalTimeoutMs: 300_000 }), shaping };
  const of = (tool: string, method = 'tools/call') => timeoutsFor(method, binding, settings, tool);
  expect(of('report')).toEqual({ headersMs: 600_000, idleMs: 600_000, totalMs: 600_000 });
  expect(of('quick')).toEqual({ headersMs: 2000, idleMs: 2000, totalMs: 2000 });
  expect(of('endless').totalMs).toBe(900_000);
  expect(of('other').totalMs).toBe(300_000);
  expect(of('quick', 'prompts/get').totalMs).toBe(300_000);
  const long = { ...binding, server: { ...server, totalTimeoutMs: 86_400_000 } };
  expect(timeoutsFor('tools/call', long, settings, 'other').totalMs).toBe(900_000);
});
