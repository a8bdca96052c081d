import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openStdioUpstream } from '#adapters/upstream/stdio/stdio.ts';
import { systemClock } from '#core/clock.ts';
import { asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { openSession, textOf, toolCall } from '#kit/drive.ts';
import { noSandbox, openSandboxedRunners } from '#kit/sandbox.ts';
import { shellServer } from '#kit/shell-server.ts';
import { openRunner } from '#runner/runner.ts';
import { cycle, findRemains } from './cycles.ts';

const SERVERS = 200;
const LIMIT = 12;
const base = { clock: systemClock, log: silentLog };

describe('two hundred servers', () => {
  const limits = { maxChildren: LIMIT, maxChildrenPerOwner: LIMIT, closeGraceMs: 500 };
  const runner = openRunner({ ...base, env: process.env, limits });
  const upstreams = Array.from({ length: SERVERS }, (_, n) =>
    openStdioUpstream(
      {
        id: asServerId(`00000000-0000-7000-8000-${String(n).padStart(12, '0')}`),
        ...{ key: `server-${n}`, org: undefined },
        transport: { kind: 'stdio', ...shellServer, env: {}, state: 'stateless' },
      },
      { ...base, runner },
    ),
  );
  afterAll(async () => {
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    await runner.close();
  });

  test('with callers that come and go at random never have more programs than the limit [X1.5]', async () => {
    let most = 0;
    let answered = 0;
    const codes = new Set<string>();
    const visits = fc.sample(fc.record({ server: fc.nat(SERVERS - 1), leaves: fc.boolean() }), {
      numRuns: 400,
      seed: 7,
    });
    const everyOne = upstreams.map((_, server) => ({ server, leaves: false }));
    const queue = [...visits, ...everyOne];
    const visit = async () => {
      for (let next = queue.pop(); next; next = queue.pop()) {
        const upstream = upstreams[next.server];
        if (!upstream) continue;
        const { opened, send } = await openSession(upstream);
        most = Math.max(most, runner.size);
        if (opened.error) codes.add(opened.error.code);
        if (opened.error) continue;
        const call = send(toolCall(1, 'any'));
        if (next.leaves) call.exchange.abort();
        else if (textOf(await call.done) === 'done') answered++;
      }
    };
    await Promise.all(Array.from({ length: 6 }, visit));
    expect(most).toBeLessThanOrEqual(LIMIT);
    expect(answered).toBeGreaterThanOrEqual(SERVERS);
    expect([...codes].filter((code) => code !== 'upstream_busy')).toEqual([]);
    await Promise.all(upstreams.map((upstream) => upstream.close()));
    expect(runner.size).toBe(0);
  });
});

describe.skipIf(noSandbox !== '')('a hundred programs in the sandbox', () => {
  const open = openSandboxedRunners();
  test('one after the other leave no process, no zombie and no descriptor [G9]', async () => {
    const { runner } = await open();
    const pids = [await cycle(runner)];
    const before = findRemains(pids);
    for (let i = 0; i < 100; i++) pids.push(await cycle(runner));
    const after = findRemains(pids);
    expect(after).toMatchObject({ orphans: 0, zombies: 0 });
    expect(after.descriptors).toBeLessThanOrEqual(before.descriptors + 1);
    expect(runner.size).toBe(0);
  });
});
