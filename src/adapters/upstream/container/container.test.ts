/** The adapter over the real container runner and an emulated engine whose containers are servers of this process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openHttpUpstream } from '#adapters/upstream/http/http-upstream.ts';
import type { StdioOptions } from '#adapters/upstream/stdio/stdio.ts';
import type { Upstream, UpstreamCall } from '#adapters/upstream/upstream.ts';
import { systemClock } from '#core/clock.ts';
import { asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import type { ContainerTransport } from '#core/transport.ts';
import { drive, openSession, rpc, textOf, toolCall } from '#kit/drive.ts';
import { type FakeContainer, type FakeEngine, startFakeEngine } from '#kit/fake-engine.ts';
import { listenOnLoopback } from '#kit/listen.ts';
import { bob, otherOrg } from '#kit/stdio-upstream.ts';
import { type ContainerRunner, openContainerRunner } from '#runner/containers/container-runner.ts';
import { type Engine, openEngine } from '#runner/containers/engine.ts';
import { openInstance } from '#runner/containers/instance.ts';
import { openRuns } from '#runner/runs.ts';
import { openContainerUpstream } from './container.ts';

const script = fileURLToPath(new URL('../../../../test/kit/children/mcp.ts', import.meta.url));

let fake: FakeEngine;
let engine: Engine;
let runner: ContainerRunner;
let folder: string;
const opened: { close(): Promise<void> | void }[] = [];

beforeEach(async () => {
  fake = await startFakeEngine();
  engine = await openEngine({ origin: 'http://localhost', socketPath: fake.socketPath });
  folder = mkdtempSync(join(tmpdir(), 'gatehouse-container-'));
  runner = openContainerRunner({
    ...{ clock: systemClock, log: silentLog, runs: openRuns({ clock: systemClock }), engine: async () => engine },
    instance: openInstance({ dataDir: folder, now: () => Date.now() }),
    settings: { user: '65534:65534', runtime: undefined, images: undefined, refusedSources: [] },
    limits: { closeGraceMs: 100, termGraceMs: 100 },
  });
});

afterEach(async () => {
  for (const each of opened.splice(0).reverse()) await each.close();
  await runner.close();
  await engine.close();
  await fake.close();
  rmSync(folder, { recursive: true, force: true });
});

function open(transport: Partial<ContainerTransport>, options: Partial<StdioOptions> = {}): Upstream {
  const upstream = openContainerUpstream(
    {
      id: asServerId('00000000-0000-7000-8000-0000000000aa'),
      key: 'contained',
      org: undefined,
      transport: {
        ...{
          kind: 'container',
          image: 'registry.example/tool:1',
          args: [],
          env: {},
          state: 'stateful',
          speaks: 'stdio',
        },
        ...transport,
      },
    },
    {
      ...{ clock: systemClock, log: silentLog, containers: runner, options: { backoffMs: 20, ...options } },
      openUpstream: (_kind, url) =>
        openHttpUpstream({ transport: { kind: 'http', url }, connections: 5, queue: 5, connectTimeoutMs: 1000 }),
    },
  );
  opened.push(upstream);
  return upstream;
}

const started = () => fake.requests.filter((each) => each.endsWith('/start')).length;

describe('a container that speaks over stdin and stdout', () => {
  /** Containers are real child processes here. */
  function speak(): void {
    const children = new Map<FakeContainer, ChildProcess>();
    fake.behaviour = {
      started(container) {
        const key = container.body.Env?.find((each) => each.startsWith('API_KEY='))?.slice(8);
        const child = spawn(process.execPath, [script], { env: { API_KEY: key }, stdio: ['pipe', 'pipe', 'inherit'] });
        children.set(container, child);
        child.stdout.on('data', (chunk: Buffer) => container.stdout(chunk.toString()));
        child.on('exit', (code) => container.exit(code ?? 137));
        opened.push({ close: () => void child.kill('SIGKILL') });
      },
      input: (container, text) => void children.get(container)?.stdin?.write(text),
      inputEnd: (container) => void children.get(container)?.stdin?.end(),
    };
  }

  test('is a stdio server: sessions, one for each caller, the credential in its variable [S2.12] [C10]', async () => {
    speak();
    const upstream = open({ credentialEnv: 'API_KEY' });
    const mine = await openSession(upstream, { credential: new Secret('sk-mine'), credentialKey: 'mine#1' });
    expect(mine.opened.status).toBe(200);
    expect(textOf(await mine.send(toolCall(1, 'env')).done)).toBe('sk-mine');
    expect(textOf(await mine.send(toolCall(2, 'count')).done)).toBe('1');
    const his = await openSession(upstream, bob);
    expect(textOf(await his.send(toolCall(1, 'count')).done)).toBe('1');
    expect(started()).toBe(2);
  });

  test('that crashes fails its call, and the next one gets a new container [G12]', async () => {
    speak();
    const { send } = await openSession(open({}));
    expect(JSON.parse((await send(toolCall('c', 'crash')).done).body)).toMatchObject({ error: { code: -32603 } });
    expect(textOf(await send(toolCall(1, 'count')).done)).toBe('1');
    expect(started()).toBe(2);
  });

  test('without an engine is unreachable: nothing runs without a container instead [R14]', async () => {
    fake.misbehaviour = { path: /^\/images/, act: (req) => void req.socket.destroy() };
    const { opened: answer } = await openSession(open({}));
    expect(answer.error?.code).toBe('upstream_unreachable');
    expect(started()).toBe(0);
  });
});

describe('a container that listens', () => {
  const listening = { speaks: 'http', permission: { network: 'full' } } as const;
  const ask = (more: Partial<UpstreamCall> = {}): Partial<UpstreamCall> => ({ ...rpc(1, 'tools/list'), ...more });

  /** Containers are HTTP servers that say which one they are. */
  function listen({ late = false, mute = false } = {}): void {
    fake.behaviour = {
      async started(container) {
        const name = container.id.slice(0, 12);
        const server: Server = createServer((req, res) => {
          if (mute) return;
          res.writeHead(req.method === 'POST' ? 200 : 405, { 'content-type': 'application/json' });
          res.end(JSON.stringify({ name, path: req.url, env: container.body.Env }));
        });
        const { port, close } = await listenOnLoopback(server);
        opened.push({ close });
        container.published.set('8080/tcp', port);
        if (late) await close();
        if (late) setTimeout(() => server.listen(port, '127.0.0.1'), 150);
      },
    };
  }

  test('is started by the first call, once for all who ask meanwhile, and asked when it answers', async () => {
    listen({ late: true });
    const upstream = open({ ...listening, state: 'stateless' });
    const answers = await Promise.all([1, 2, 3].map(() => drive(upstream, ask()).done));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(JSON.parse(answers[0]?.body ?? '')).toMatchObject({ path: '/mcp' });
    expect(started()).toBe(1);
  });

  test('serves one organization, a stateful one one caller [C10] [G14]', async () => {
    listen();
    const nameOf = async (upstream: Upstream, who: Partial<UpstreamCall>) =>
      JSON.parse((await drive(upstream, ask(who)).done).body).name;
    const shared = open({ ...listening, state: 'stateless' });
    const [alice, bobs, foreign] = [
      await nameOf(shared, {}),
      await nameOf(shared, bob),
      await nameOf(shared, otherOrg),
    ];
    expect(bobs).toBe(alice);
    expect(foreign).not.toBe(alice);
    const own = open({ ...listening, state: 'stateful' });
    expect(await nameOf(own, bob)).not.toBe(await nameOf(own, {}));
  });

  test('is stopped when nobody calls it, and comes back', async () => {
    listen();
    const upstream = open(listening, { idleMs: 60, sweepMs: 20 });
    expect((await drive(upstream, ask()).done).status).toBe(200);
    await expect.poll(() => runner.size).toBe(0);
    expect((await drive(upstream, ask()).done).status).toBe(200);
    expect(started()).toBe(2);
  });

  test('that ends is started again; one that keeps ending is left alone for longer each time [G12]', async () => {
    listen();
    const upstream = open(listening, { patienceMs: 0, backoffMs: 60_000 });
    expect((await drive(upstream, ask()).done).status).toBe(200);
    fake.behaviour = { started: (container) => container.exit(1) };
    for (const container of fake.containers.values()) container.exit(1);
    await expect.poll(() => runner.size).toBe(0);
    expect((await drive(upstream, ask()).done).error).toMatchObject({ code: 'upstream_busy' });
    expect(started()).toBe(1);
  });

  test('that never answers is given up and removed', async () => {
    listen({ mute: true });
    const upstream = open(listening, { startMs: 200 });
    expect((await drive(upstream, ask()).done).error?.code).toBe('upstream_timeout');
    await expect.poll(() => fake.containers.size).toBe(0);
  });

  test('keeps a call no longer than the call allows, and lets a caller go', async () => {
    listen({ mute: true });
    const upstream = open(listening, { startMs: 5000 });
    const gone = drive(upstream, ask());
    gone.exchange.abort();
    const timeouts = { headersMs: 0, idleMs: 0, totalMs: 30 };
    expect((await drive(upstream, ask({ timeouts })).done).error?.code).toBe('upstream_timeout');
    expect(started()).toBe(1);
  });

  test('is gone when its server is', async () => {
    listen();
    const upstream = open(listening);
    await drive(upstream, ask()).done;
    await upstream.close();
    await expect.poll(() => fake.containers.size).toBe(0);
    expect((await drive(upstream, ask()).done).error?.code).toBe('shutting_down');
  });
});
