import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { asOrgId, asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { ContainerTransport } from '#core/transport.ts';
import { type FakeEngine, fakeImage, startFakeEngine } from '#kit/fake-engine.ts';
import type { ChildExit } from '#runner/child.ts';
import { openRuns, type Runs } from '#runner/runs.ts';
import {
  type ContainerRunner,
  type ContainerRunnerDeps,
  type ContainerSpec,
  openContainerRunner,
} from './container-runner.ts';
import { type Engine, openEngine } from './engine.ts';
import { openInstance } from './instance.ts';

const server = asServerId('00000000-0000-7000-8000-0000000000aa');
const org = asOrgId('00000000-0000-7000-8000-000000000001');

let fake: FakeEngine;
let engine: Engine;
let folder: string;
let runs: Runs;
const opened: ContainerRunner[] = [];

beforeEach(async () => {
  fake = await startFakeEngine();
  engine = await openEngine({ origin: 'http://localhost', socketPath: fake.socketPath }, { timeoutMs: 2000 });
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-runner-'));
  runs = openRuns({ clock: systemClock });
});

afterEach(async () => {
  fake.misbehaviour = undefined;
  fake.behaviour = {};
  for (const runner of opened.splice(0)) await runner.close();
  await engine.close();
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(more: Partial<ContainerRunnerDeps> = {}): ContainerRunner {
  const runner = openContainerRunner({
    ...{ clock: systemClock, log: silentLog, runs, engine: async () => engine },
    instance: openInstance({ dataDir: folder, now: () => Date.now() }),
    settings: { user: '65534:65534', runtime: undefined, images: undefined, refusedSources: [] },
    limits: { closeGraceMs: 30, termGraceMs: 30, ...more.limits },
    ...more,
  });
  opened.push(runner);
  return runner;
}

const transport = (more: Partial<ContainerTransport> = {}): ContainerTransport => ({
  ...{ kind: 'container', image: 'registry.example/tool:1', args: [], speaks: 'stdio', env: {}, state: 'stateful' },
  ...more,
});

interface Ran {
  readonly child: ReturnType<ContainerRunner['spawn']>;
  readonly lines: string[];
  readonly origin: Promise<string>;
  readonly exit: Promise<ChildExit>;
  /** The next line. */
  readonly line: Promise<string>;
}

function run(runner: ContainerRunner, spec: Partial<ContainerSpec> = {}): Ran {
  const lines: string[] = [];
  const { promise: exit, resolve: onExit } = Promise.withResolvers<ChildExit>();
  const { promise: line, resolve: onFirst } = Promise.withResolvers<string>();
  const { promise: origin, resolve: onListening } = Promise.withResolvers<string>();
  const child = runner.spawn(
    { server, key: 'tool', org, transport: transport(), env: {}, owner: 'acme', ...spec },
    {
      onLine(bytes) {
        lines.push(bytes.toString());
        onFirst(bytes.toString());
      },
      ...{ onListening, onExit },
    },
  );
  return { child, lines, exit, line, origin };
}

describe('one container', () => {
  test('is created, attached and started; lines go in and come out; it is on record and removed after its end', async () => {
    fake.behaviour = { input: (container, text) => container.stdout(text.toUpperCase()) };
    const { child, line, exit } = run(open());
    // Before it runs: kept until it does.
    child.write(Buffer.from('hello'));
    expect(await line).toBe('HELLO');
    const verbs = fake.requests
      .filter((each) => each.includes('/containers/'))
      .map((each) => each.replace(/\w{64}|\?.*/g, ''));
    expect(verbs.slice(0, 3)).toEqual([
      'POST /containers/create',
      'POST /containers//attach',
      'POST /containers//start',
    ]);
    const [container] = fake.containers.values();
    expect(runs.list()).toMatchObject([
      { server, key: 'tool', org, kind: 'container', sandbox: 'docker', container: container?.id },
    ]);
    container?.exit(3);
    expect(await exit).toMatchObject({ code: 3, reason: 'exited' });
    await expect.poll(() => fake.containers.size).toBe(0);
    await expect.poll(() => runs.list()).toEqual([]);
    expect(runs.lastExit(server)).toMatchObject({ code: 3, reason: 'exited' });
  });

  test('is stopped by the end of its stdin, or by signals where that is not enough [G9]', async () => {
    fake.behaviour = { started: (container) => container.stdout('up\n'), inputEnd: (container) => container.exit(0) };
    const polite = run(open());
    await expect.poll(() => runs.list()).toHaveLength(1);
    expect(await polite.child.stop()).toMatchObject({ code: 0, reason: 'stopped' });
    expect(fake.requests.some((each) => each.includes('/stop'))).toBe(false);
    fake.behaviour = { started: (container) => container.stdout('up\n') };
    const stubborn = run(open());
    await expect.poll(() => runs.list()).toHaveLength(1);
    expect(await stubborn.child.stop()).toMatchObject({ reason: 'stopped' });
    expect(fake.requests.some((each) => each.includes('/stop?t=1'))).toBe(true);
    expect(fake.containers.size).toBe(0);
  });

  test('what it writes to its log is kept, without the secrets it was given [G11]', async () => {
    fake.behaviour = {
      started(container) {
        container.stderr(`key is ${container.body.Env?.find((each) => each.startsWith('API_KEY='))}\n\u001b[31mred\n`);
        container.stdout('up\n');
      },
    };
    const runner = open({ findVariables: async () => ({ SEALED: new Secret('sealed-0123456789') }) });
    const ran = run(runner, { env: { API_KEY: new Secret('sk-0123456789') } });
    await ran.line;
    const [container] = fake.containers.values();
    expect(container?.body.Env).toEqual(['HOME=/tmp', 'API_KEY=sk-0123456789', 'SEALED=sealed-0123456789']);
    expect(runs.lines(server, 10).map(({ text }) => text)).toEqual(['key is API_KEY=[secret]', 'red']);
    expect(JSON.stringify(runs.list())).not.toContain('0123456789');
  });

  test('that listens is reached at the port the engine published', async () => {
    fake.behaviour = { started: (container) => container.published.set('8080/tcp', 40_404) };
    const listening = transport({ speaks: 'http', permission: { network: 'full' } });
    const ran = run(open(), { transport: listening });
    expect(await ran.origin).toBe('http://127.0.0.1:40404');
    const [container] = fake.containers.values();
    expect(container?.body.Env).toContain('PORT=8080');
    expect(runs.list()[0]?.url).toBe('http://127.0.0.1:40404');
  });

  test('a flood without a line end, and a stream that has no frames, end it [G10]', async () => {
    const runner = open({ limits: { closeGraceMs: 30, termGraceMs: 30, maxLineBytes: 100_000 } });
    fake.behaviour = { started: (container) => container.stdout('x'.repeat(200_000)) };
    expect((await run(runner).exit).reason).toBe('flood');
    fake.behaviour = { started: (container) => void container.stdin?.write('HTTP garbage, no frames at all') };
    expect((await run(runner).exit).reason).toBe('broken stream');
    await expect.poll(() => fake.containers.size).toBe(0);
  });

  test('who was killed for its memory is known as such [G8]', async () => {
    fake.behaviour = {
      started(container) {
        container.outOfMemory = true;
        container.exit(137);
      },
    };
    expect(await run(open()).exit).toMatchObject({ code: 137, reason: 'out of memory' });
  });

  test('stopped while it is being made, it is never started and nothing is left', async () => {
    const { promise: asked, resolve } = Promise.withResolvers<() => void>();
    fake.misbehaviour = {
      path: /\/attach|\/start/,
      act: (_req, res) => resolve(() => res.writeHead(204).end()),
    };
    const { child } = run(open());
    const goOn = await asked;
    const stopped = child.stop();
    goOn();
    expect((await stopped).reason).toBe('stopped');
    await expect.poll(() => fake.containers.size).toBe(0);
    expect(runs.list()).toEqual([]);
  });
});

describe('what is refused before anything is created', () => {
  const cases: readonly (readonly [string, Partial<ContainerTransport>, RegExp])[] = [
    ['an image that is not here', { image: 'registry.example/other:1' }, /is not here: pull it first/],
    ['what is no name of an image', { image: 'a/../../containers/x' }, /not the name of an image/],
    ['a listening container without a network', { speaks: 'http' }, /needs a network/],
    ['a list of hosts without the egress proxy', { permission: { network: { allow: ['a.example'] } } }, /egress proxy/],
    ['the root of the host', { volumes: [{ source: '/', target: '/host', readOnly: true }] }, /cannot be a volume/],
    ['a variable that loads code', { env: { NODE_OPTIONS: '--import=x' } }, /NODE_OPTIONS/],
  ];
  test.each(cases)('%s [G7]', async (_name, more, why) => {
    const given = transport(more);
    const exit = await run(open(), { transport: given, env: given.env }).exit;
    expect(exit.reason).toBe('unspawned');
    expect(exit.stderr).toMatch(why);
    expect(fake.requests.some((each) => each.includes('/create'))).toBe(false);
  });

  test('an image that is not on the list [G7]', async () => {
    const settings = {
      user: '65534:65534',
      runtime: undefined,
      images: ['registry.example/allowed'],
      refusedSources: [],
    };
    const exit = await run(open({ settings })).exit;
    expect(exit.stderr).toContain('is not in runner.images');
    expect(fake.containers.size).toBe(0);
  });

  test('a call never pulls [G7] [G13]', async () => {
    await run(open(), { transport: transport({ image: 'registry.example/other:1' }) }).exit;
    expect(fake.requests.filter((each) => each.includes('/images/create'))).toEqual([]);
  });
});

describe('an engine that misbehaves', () => {
  const answers: readonly (readonly [string, RegExp, number | 'reset', string])[] = [
    ['refuses to create', /\/create$/, 409, 'Conflict. The container name is in use'],
    ['fails at the start', /\/start$/, 500, 'OCI runtime create failed'],
    ['has no such runtime', /\/create$/, 400, 'unknown or invalid runtime name: runc9'],
    ['resets', /\/create$/, 'reset', ''],
  ];
  test.each(answers)('it %s: the container is unspawned, and nothing is left', async (_name, path, status, message) => {
    fake.misbehaviour = {
      path,
      act: (req, res) =>
        status === 'reset' ? req.socket.destroy() : res.writeHead(status).end(JSON.stringify({ message })),
    };
    const exit = await run(open()).exit;
    expect(exit.reason).toBe('unspawned');
    expect(exit.stderr).toContain(message);
    await expect.poll(() => fake.containers.size).toBe(0);
  });

  test('the complaint of crun names the setting', async () => {
    const message = 'crun: cgroups in hybrid mode not supported: OCI runtime error';
    fake.misbehaviour = { path: /\/start$/, act: (_req, res) => res.writeHead(500).end(JSON.stringify({ message })) };
    expect((await run(open()).exit).stderr).toContain('set runner.containerRuntime to runc');
  });

  test('it lets go of a container that runs: the container is ended', async () => {
    fake.behaviour = { started: (container) => void setImmediate(() => container.stdin?.destroy()) };
    expect((await run(open()).exit).reason).toBe('the engine let go of it');
    await expect.poll(() => fake.containers.size).toBe(0);
  });
});

describe('how many', () => {
  test('no more than the limits; the longest idle one makes room', async () => {
    fake.behaviour = { started: (container) => container.stdout('up\n') };
    const runner = open({ limits: { closeGraceMs: 1, termGraceMs: 1, maxContainers: 3, maxContainersPerOwner: 2 } });
    const ended: string[] = [];
    const idle = (name: string, since: number | undefined) => ({
      since: () => since,
      end: async () => void ended.push(name),
    });
    run(runner, { idle: idle('first', 20) });
    run(runner, { idle: idle('second', 10) });
    expect(() => run(runner)).toThrow(expect.objectContaining({ code: 'upstream_busy' }));
    run(runner, { owner: 'other', idle: idle('other', 1) });
    expect(() => run(runner, { owner: 'third' })).toThrow(expect.objectContaining({ code: 'upstream_busy' }));
    expect(runner.size).toBe(3);
    expect(await runner.makeRoom('acme')).toBe(true);
    expect(ended).toEqual(['second']);
    await runner.close();
    expect(fake.containers.size).toBe(0);
    expect(() => run(runner)).toThrow(expect.objectContaining({ code: 'shutting_down' }));
  });
});

describe('the reaper', () => {
  test("removes what dead gateways of this data directory left, and what is nobody's any more; nothing else [G9]", async () => {
    fake.behaviour = { started: (container) => container.stdout('up\n') };
    const instance = openInstance({ dataDir: folder, now: () => Date.now() });
    const runner = open({ instance });
    await run(runner).line;
    const [mine] = fake.containers.values();
    const [boot, space] = instance.id.split('.');
    const label = (id: string, host = instance.host) => fake.add({ gatehouse: id, 'gatehouse.host': host }).id;
    const alive = label(`${boot}.${space}.${process.ppid}.${startOf(process.ppid)}.00000000`);
    const otherHost = label('x.1.1.1.00000000', '00000000-0000-4000-8000-000000000000');
    const stranger = fake.add({ gatehouse: 'someone', 'gatehouse.host': instance.host }).id;
    const left = [
      label(`${boot}.${space}.${process.pid}.1.00000000`),
      label(`00000000-0000-4000-8000-000000000000.${space}.${process.pid}.1.00000000`),
      label(`${boot}.99.1.1.00000000`),
      label(instance.id),
    ];
    expect(await runner.reap()).toBe(left.length);
    expect(new Set(fake.containers.keys())).toEqual(new Set([mine?.id, alive, otherHost, stranger]));
    expect(await runner.reap()).toBe(0);
  });

  test('a gateway in another process namespace is alive as long as it says so [G9]', () => {
    let now = 1_000_000_000_000;
    const other = openInstance({ dataDir: folder, now: () => now });
    const seen = other.id.replace(/^([\w-]+)\.\d+\./, '$1.77.');
    const me = openInstance({ dataDir: folder, now: () => now });
    expect(me.host).toBe(other.host);
    expect(me.isAlive(seen)).toBe(false);
    const beating = openInstance({ dataDir: folder, now: () => now, id: seen });
    beating.beat();
    expect(me.isAlive(seen)).toBe(true);
    now += 200_000;
    expect(me.isAlive(seen)).toBe(false);
  });
});

function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

test('the image decides nothing but its port and what it wants to write', async () => {
  fake.images['registry.example/tool:1'] = fakeImage({ Volumes: { '/data': {} }, User: 'root' });
  fake.behaviour = { started: (container) => container.stdout('up\n') };
  await run(open()).line;
  const [container] = fake.containers.values();
  expect(container?.body).toMatchObject({ User: '65534:65534', Image: `sha256:${'a'.repeat(64)}` });
  expect(container?.body.HostConfig?.Tmpfs).toHaveProperty('/data');
});
