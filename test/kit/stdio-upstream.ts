/** The stdio adapter over a real runner and the scripted server of test/kit/children/mcp.ts. */
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import { openStdioUpstream, type StdioOptions } from '#adapters/upstream/stdio/stdio.ts';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { principalKey } from '#core/principal.ts';
import type { StdioTransport } from '#core/transport.ts';
import { openRunner, type Runner, type RunnerLimits } from '#runner/runner.ts';
import { rpc } from './drive.ts';

const script = fileURLToPath(new URL('./children/mcp.ts', import.meta.url));

export interface StdioSubject {
  readonly upstream: Upstream;
  readonly runner: Runner;
  /** How many children were started so far. */
  spawned(): number;
  /** When, in monotonic milliseconds. */
  readonly spawnedAt: readonly number[];
  close(): Promise<void>;
}

export interface StdioSubjectOptions {
  /** Of the scripted server. */
  readonly flags?: readonly string[];
  readonly transport?: Partial<StdioTransport>;
  readonly options?: Partial<StdioOptions>;
  readonly limits?: Partial<RunnerLimits>;
}

export function openStdioSubject({ flags = [], transport, options, limits }: StdioSubjectOptions = {}): StdioSubject {
  const log = silentLog;
  const graces = { closeGraceMs: 500, termGraceMs: 500 };
  const runner = openRunner({ clock: systemClock, log, env: process.env, limits: { ...graces, ...limits } });
  const spawnedAt: number[] = [];
  const upstream = openStdioUpstream(
    {
      id: asServerId('00000000-0000-7000-8000-0000000000aa'),
      key: 'scripted',
      org: undefined,
      transport: {
        kind: 'stdio',
        command: process.execPath,
        args: [script, ...flags],
        env: {},
        state: 'stateful',
        ...transport,
      },
    },
    {
      clock: systemClock,
      log,
      runner: {
        spawn(spec, events) {
          spawnedAt.push(systemClock.monotonic());
          return runner.spawn(spec, events);
        },
        ready: () => runner.ready(),
        makeRoom: (owner) => runner.makeRoom(owner),
      },
      options: { backoffMs: 20, questionMs: 100, ...options },
    },
  );
  const close = async () => {
    await upstream.close();
    await runner.close();
  };
  return { upstream, runner, close, spawnedAt, spawned: () => spawnedAt.length };
}

/** Opens subjects that are closed after the test. Call it at the top of the file. */
export function openStdioSubjects(): (options?: StdioSubjectOptions) => StdioSubject {
  const subjects: StdioSubject[] = [];
  afterEach(async () => {
    for (const subject of subjects.splice(0)) await subject.close();
  });
  return (options) => {
    const subject = openStdioSubject(options);
    subjects.push(subject);
    return subject;
  };
}

/** Another caller of the same organization, and one of another. */
export const bob: Partial<UpstreamCall> = { principal: principalKey('test', 'bob') };
export const otherOrg: Partial<UpstreamCall> = { org: asOrgId('00000000-0000-7000-8000-000000000002') };

const meta = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
};

export const modernCall = (id: string | number, method: string, params: object = {}): Partial<UpstreamCall> => ({
  ...rpc(id, method, { ...params, _meta: meta }),
  era: 'modern',
});

/** Fails by timeout of the test. */
export async function until(check: () => boolean): Promise<void> {
  while (!check()) await new Promise((resolve) => setTimeout(resolve, 10));
}
