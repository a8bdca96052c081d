import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import { systemClock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { ChildExit } from './child.ts';
import { type ChildSpec, openRunner, type Runner, type RunnerDeps } from './runner.ts';

const kit = (name: string) => fileURLToPath(new URL(`../../test/kit/children/${name}.ts`, import.meta.url));
const node = (name: string, args: readonly string[] = [], rest: Partial<ChildSpec> = {}): ChildSpec => ({
  command: process.execPath,
  args: [kit(name), ...args],
  env: {},
  ...rest,
});

let open: Runner | undefined;
afterEach(async () => {
  await open?.close();
  open = undefined;
});

function runnerWith(deps: Partial<RunnerDeps> = {}): Runner {
  open = openRunner({ clock: systemClock, log: recordingLog().log, env: process.env, ...deps });
  return open;
}

function recordingLog() {
  const lines: { level: string; fields: Record<string, unknown>; message: string }[] = [];
  const at = (level: string) => (fields: object, message: string) => {
    lines.push({ level, fields: { ...fields }, message });
  };
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  return { log, lines };
}

function run(runner: Runner, spec: ChildSpec) {
  const lines: Buffer[] = [];
  const waiting: ((line: string) => void)[] = [];
  let resolveExit: (exit: ChildExit) => void = () => {};
  const exited = new Promise<ChildExit>((resolve) => {
    resolveExit = resolve;
  });
  const child = runner.spawn(spec, {
    onLine(line) {
      const next = waiting.shift();
      if (next) next(line.toString());
      else lines.push(line);
    },
    onExit: (exit) => resolveExit(exit),
  });
  const line = () =>
    new Promise<string>((resolve) => {
      const ready = lines.shift();
      if (ready) resolve(ready.toString());
      else waiting.push(resolve);
    });
  return { child, line, exited };
}

const alive = (pid: number): boolean => {
  if (process.platform === 'linux') {
    if (!existsSync(`/proc/${pid}/stat`)) return false;
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  }
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const commandOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, 'utf8');
const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

async function gone(pids: readonly number[], withinMs: number): Promise<void> {
  const until = Date.now() + withinMs;
  while (pids.some(alive) && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(pids.filter(alive)).toEqual([]);
}

test('a child gets exactly the allow-list and what it was given, nothing else of ours [G3] [X1.5]', async () => {
  const env = { PATH: process.env.PATH, HOME: '/nowhere', ENCRYPTION_KEY: 'ours', NODE_OPTIONS: '--no-warnings' };
  const { line, exited, child } = run(
    runnerWith({ env }),
    node('report', ['a b', '$(touch x)', ';'], { env: { TOKEN: new Secret('t') }, cwd: '/' }),
  );
  const report = JSON.parse(await line());
  expect(Object.keys(report.env).sort()).toEqual(['CHILD_OF_GATEHOUSE', 'HOME', 'PATH', 'TOKEN']);
  expect(report.env.TOKEN).toBe('t');
  expect(report.argv).toEqual(['a b', '$(touch x)', ';']);
  expect(report.cwd).toBe('/');
  await child.stop();
  expect((await exited).reason).toBe('stopped');
});

test.each([
  ...['NODE_OPTIONS', 'LD_PRELOAD', 'DYLD_INSERT_LIBRARIES', 'PATH', 'PYTHONPATH', 'BASH_ENV', 'GIT_SSH_COMMAND'],
  ...[
    'NPM_CONFIG_REGISTRY',
    'npm_config_registry',
    'lower',
    '1A',
    'A-B',
    'A=B',
    '',
    'A'.repeat(65),
    'CHILD_OF_GATEHOUSE',
  ],
])('the variable %j is refused before anything starts [G3]', (name) => {
  const runner = runnerWith();
  expect(() => run(runner, node('report', [], { env: { [name]: 'x' } }))).toThrow(/environment variable/);
  expect(runner.size).toBe(0);
});

test('NUL in a command, an argument or a value is refused [G2]', () => {
  const runner = runnerWith();
  expect(() => run(runner, { command: 'a\0b', args: [], env: {} })).toThrow();
  expect(() => run(runner, node('report', ['a\0b']))).toThrow();
  expect(() => run(runner, node('report', [], { env: { A: 'a\0b' } }))).toThrow();
});

test('a program that does not exist ends as unspawned', async () => {
  const { child, exited } = run(runnerWith(), { command: '/no/such/program', args: [], env: {} });
  expect(child.pid).toBeUndefined();
  expect((await exited).reason).toBe('unspawned');
});

test('a child that ignores its stdin and SIGTERM is killed with its whole family [G9] [R13]', async () => {
  const runner = runnerWith({ limits: { closeGraceMs: 100, termGraceMs: 100 } });
  const { child, line } = run(runner, node('stubborn', ['--family']));
  const pids: number[] = JSON.parse(await line());
  expect(pids.every(alive)).toBe(true);
  const exit = await child.stop();
  expect(exit.signal).toBe('SIGKILL');
  await gone(process.platform === 'linux' ? pids : pids.slice(0, 2), 3000);
});

test('no child outlives a gateway that is killed with SIGKILL [G9]', async () => {
  const gateway = spawn(process.execPath, [kit('gateway')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(gateway.stdout, 'data');
  const pids: number[] = JSON.parse(String(output));
  expect(pids).toHaveLength(3);
  expect(pids.every(alive)).toBe(true);
  gateway.kill('SIGKILL');
  await gone(process.platform === 'linux' ? pids : pids.slice(0, 2), 2000);
});

test.runIf(process.platform === 'linux')('a killed watchdog is replaced and knows the children [G9]', async () => {
  const gateway = spawn(process.execPath, [kit('gateway')], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [output] = await once(gateway.stdout, 'data');
  const pids: number[] = JSON.parse(String(output));
  const watchdogs = () => childrenOf(gateway.pid ?? 0).filter((pid) => commandOf(pid).includes('gatehouse-watchdog'));
  const [first] = watchdogs();
  expect(first).toBeDefined();
  process.kill(first ?? 0, 'SIGKILL');
  await vi.waitUntil(() => watchdogs().some((pid) => pid !== first), { timeout: 5000, interval: 20 });
  gateway.kill('SIGKILL');
  await gone(pids, 2000);
});

test('a child that floods stdout without a line end is killed, and memory stays small [G10] [R13]', async () => {
  const before = process.memoryUsage().rss;
  const { exited } = run(runnerWith(), node('noisy', ['flood']));
  const exit = await exited;
  expect(exit.reason).toBe('flood');
  expect(process.memoryUsage().rss - before).toBeLessThan(30 * 1024 * 1024);
});

test('a burst on stderr blocks nobody, is capped in the log and shows no secret [G11] [R13] [X1.5]', async () => {
  const { log, lines } = recordingLog();
  const secret = new Secret('sk-very-secret-1');
  const { child, line } = run(runnerWith({ log }), node('noisy', ['burst'], { env: { API_KEY: secret } }));
  expect(await line()).toBe('done');
  const exit = await child.stop();
  const written = lines.filter((entry) => entry.message.includes('stderr'));
  expect(written.length).toBeGreaterThan(0);
  expect(written.length).toBeLessThan(1000);
  expect(JSON.stringify(lines)).not.toContain('sk-very-secret');
  expect(JSON.stringify(lines)).not.toContain('\\u001b');
  expect(exit.stderr).toContain('the end');
  expect(exit.stderr).not.toContain('sk-very-secret');
  expect(exit.stderr.length).toBeLessThanOrEqual(64 * 1024);
});

test('a line of megabytes goes in and comes out whole, and a full pipe says so', async () => {
  const { child, line } = run(runnerWith(), node('noisy', ['echo']));
  const big = Buffer.alloc(3 * 1024 * 1024, 0x62);
  expect(child.write(big)).toBe(false);
  expect(child.pendingBytes).toBeGreaterThan(0);
  child.write(Buffer.from('ä\r'));
  expect((await line()).length).toBe(big.length);
  expect(await line()).toBe('ä');
});

test('a hundred starts and stops leave no child, no zombie and no descriptor [G9]', async () => {
  const runner = runnerWith();
  const descriptors = () => (process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0);
  const cycle = async () => {
    const { child } = run(runner, { command: '/bin/cat', args: [], env: {} });
    await child.stop();
    return child.pid ?? 0;
  };
  await cycle();
  const before = descriptors();
  const pids: number[] = [];
  for (let i = 0; i < 100; i++) pids.push(await cycle());
  expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([]);
  expect(runner.size).toBe(0);
  expect(descriptors()).toBeLessThanOrEqual(before + 1);
});

test('a sandbox replaces what is started, and the limit on children holds', async () => {
  const launch = { command: '/bin/echo', args: ['wrapped'], env: {}, sandbox: 'bubblewrap' } as const;
  const sandbox = { launch: () => launch, check: async () => ({ kind: 'bubblewrap', state: 'ready' }) as const };
  const runner = runnerWith({ sandbox, limits: { maxChildren: 1 } });
  await runner.ready();
  const { line, exited } = run(runner, { command: 'anything', args: [], env: {} });
  expect(() => run(runner, { command: 'anything', args: [], env: {} })).toThrow(/limit/);
  expect(await line()).toBe('wrapped');
  await exited;
});
