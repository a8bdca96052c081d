import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { ProcessTransport } from '#core/transport.ts';
import { openSession, textOf, toolCall } from '#kit/drive.ts';
import { noSandbox, openTestSandbox } from '#kit/sandbox.ts';
import { bob, otherOrg, until } from '#kit/stdio-upstream.ts';
import { openRunner } from '#runner/runner.ts';
import { openRuns } from '#runner/runs.ts';
import { openProcessUpstream, type ProcessOptions } from './process-upstream.ts';

const script = fileURLToPath(new URL('../../../../test/kit/children/listening.ts', import.meta.url));
const id = asServerId('00000000-0000-7000-8000-0000000000bb');
const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface SubjectOptions {
  readonly transport?: Partial<ProcessTransport>;
  readonly options?: Partial<ProcessOptions>;
  readonly sandboxed?: boolean;
}

function open({ transport, options, sandboxed = false }: SubjectOptions = {}) {
  const base = { clock: systemClock, log: silentLog };
  const runs = openRuns(base);
  const sandbox = sandboxed ? openTestSandbox() : undefined;
  const limits = { closeGraceMs: 20, termGraceMs: 500 };
  const runner = openRunner({ ...base, env: process.env, runs, limits, ...(sandbox && { sandbox }) });
  const program = { kind: 'process', command: process.execPath, args: [script, '--port={port}'], env: {} } as const;
  const upstream = openProcessUpstream(
    {
      id,
      key: 'own',
      org: undefined,
      transport: { ...program, state: 'stateless', speaks: 'http', path: '/mcp', ...transport },
    },
    {
      ...{ ...base, runner, options: { backoffMs: 20, ...options } },
      http: { connections: 8, queue: 8, connectTimeoutMs: 1000 },
      variables: async () => ({ SEALED: new Secret('sealed value') }),
    },
  );
  closing.push(async () => {
    await upstream.close();
    await runner.close();
    await sandbox?.close();
  });
  return { upstream, runner, runs };
}

const about = async ({ send }: Awaited<ReturnType<typeof openSession>>) =>
  JSON.parse(textOf(await send(toolCall(1, 'about')).done));

describe('programs that listen', () => {
  test('a program starts at the first call, is told its port, and is on record', async () => {
    const { upstream, runner, runs } = open();
    expect(runner.size).toBe(0);
    const [first, second] = await Promise.all([openSession(upstream), openSession(upstream, bob)]);
    expect(first?.opened.status).toBe(200);
    const found = await about(first);
    expect(found.argv).toEqual([`--port=${found.env.PORT}`]);
    expect(found.env).toMatchObject({ MCP_PORT: found.env.PORT, SEALED: 'sealed value' });
    expect((await about(second)).pid).toBe(found.pid);
    expect(runner.size).toBe(1);
    expect(runs.list()).toMatchObject([
      { server: id, pid: found.pid, sandbox: 'none', url: `http://127.0.0.1:${found.env.PORT}/mcp` },
    ]);
    await until(() => runs.lines(id, 5).some(({ text }) => text.startsWith('listening on')));
  });

  test('organizations never share one, and callers of a stateful one neither [C10] [G14]', async () => {
    const { upstream, runner } = open({ transport: { state: 'stateful' } });
    const pids = [];
    for (const who of [{}, bob, otherOrg]) pids.push((await about(await openSession(upstream, who))).pid);
    expect(new Set(pids).size).toBe(3);
    expect(runner.size).toBe(3);
  });

  test('after a crash the next call starts another one [R13]', async () => {
    const { upstream, runs } = open();
    const session = await openSession(upstream);
    expect((await session.send(toolCall(1, 'crash')).done).error?.code).toBeDefined();
    await until(() => runs.lastExit(id) !== undefined);
    expect(runs.lastExit(id)).toMatchObject({ code: 3, reason: 'exited' });
    expect((await openSession(upstream)).opened.status).toBe(200);
  });

  test('one that never listens is given up after its time, one that ends at once', async () => {
    const mute = open({ transport: { args: ['-e', 'setInterval(() => {}, 1000)'] }, options: { startMs: 200 } });
    expect((await openSession(mute.upstream)).opened.error?.code).toBe('upstream_timeout');
    await until(() => mute.runner.size === 0);
    const gone = open({ transport: { args: ['-e', ''] } });
    expect((await openSession(gone.upstream)).opened.error?.code).toBe('upstream_unreachable');
  });

  test.skipIf(process.platform !== 'linux')(
    'whoever took its port before it is never told a call, nor the key that goes with it [G6] [G14]',
    async () => {
      let heard = 0;
      const thief = createServer((socket) => socket.on('data', () => heard++).on('error', () => {}));
      await new Promise<void>((resolve) => thief.listen(0, '127.0.0.1', resolve));
      closing.push(() => void thief.close());
      const address = thief.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      const args = ['-e', 'setInterval(() => {}, 1000)'];
      const { upstream, runner } = open({ transport: { args, port }, options: { startMs: 300 } });
      const { opened } = await openSession(upstream, { credential: new Secret('sesame-open') });
      expect(opened.error?.code).toBe('upstream_timeout');
      expect(heard).toBe(0);
      await until(() => runner.size === 0);
    },
  );

  test('a child of the program may listen in its place, also one that lost its parent', async () => {
    const start = `const c = require('child_process').spawn(process.execPath, ['-e', "require('child_process').spawn(process.execPath, process.argv.slice(1), { stdio: 'inherit' }).unref(); process.exit()", ${JSON.stringify(script)}], { stdio: 'inherit' }); setInterval(() => {}, 1000)`;
    const { upstream } = open({ transport: { args: ['-e', start] } });
    expect((await openSession(upstream)).opened.status).toBe(200);
  });

  test('an idle one stops, and can be ended by whoever looks after programs', async () => {
    const { upstream, runner, runs } = open({ options: { idleMs: 1, sweepMs: 10 } });
    await openSession(upstream);
    await until(() => runner.size === 0);
    expect(runs.lastExit(id)?.reason).toBe('stopped');
  });

  test.skipIf(noSandbox !== '')(
    'a sandbox without network answers all the same, and nobody else reaches it [G6]',
    async () => {
      const { upstream, runs } = open({ sandboxed: true });
      const session = await openSession(upstream);
      expect(session.opened.status).toBe(200);
      const { env } = await about(session);
      await expect(fetch(`http://127.0.0.1:${env.PORT}/mcp`)).rejects.toThrow();
      expect(runs.list()).toMatchObject([{ sandbox: 'bubblewrap' }]);
      expect(await runs.end(id)).toBe(1);
      expect((await openSession(upstream)).opened.status).toBe(200);
    },
  );
});
