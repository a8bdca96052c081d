/** Ten servers behind one address, three of which misbehave: the others don't notice. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ConformanceServer, startConformanceServer } from '#kit/conformance-server.ts';
import { legacyServer, modernServer } from '#kit/era-scripts.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '#kit/fault-proxy.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer, call, initialize, openStream, send } from '#kit/http-client.ts';
import { freePort } from '#kit/listen.ts';
import { sendModern } from '#kit/modern.ts';
import { commandLine, descendants } from '#kit/process.ts';
import { type RecordingUpstream, startRecordingUpstream } from '#kit/recording-upstream.ts';

const scripted = join(import.meta.dirname, '../kit/children/mcp.ts');
/** Milliseconds that the gateway waits for what is old; the rest is the machine's noise. */
const PATIENCE_MS = 40;
const NOISE_MS = 10;

interface Listed {
  readonly names: readonly string[];
  readonly stale: readonly string[];
  readonly missing: readonly string[];
  readonly ms: number;
}

const yaml = (servers: Readonly<Record<string, string>>) => `
organizations: [{ slug: demo, name: Demo }]
servers:
${Object.entries(servers)
  .map(([key, transport]) => `  - { key: ${key}, title: ${key}, transport: ${transport} }`)
  .join('\n')}
collections:
  - { organization: demo, name: all, allowedRoles: '*', bindings: [${Object.keys(servers)
    .map((key) => `{ server: ${key} }`)
    .join(', ')}] }
enablements:
${Object.keys(servers)
  .map((key) => `  - { organization: demo, server: ${key}, allMembers: true }`)
  .join('\n')}
egress: { allow: ['127.0.0.1'] }
runner: { sandbox: none }
limits:
  timeouts: { toolCallMs: 1500, toolCallHeadersMs: 1000, idleMs: 1000, connectMs: 500, listMs: 1500, initializeMs: 1000 }
  breaker: { consecutiveFailures: 2, openMs: 1000, openMaxMs: 2000 }
  principal: { requestsPerMinute: 100000, concurrentCalls: 1000 }
`;

const http = (url: string) => `{ kind: http, url: '${url}' }`;

class Subject {
  readonly gateway: RunningGateway;
  readonly headers: { readonly authorization: string };
  readonly url: string;

  constructor(gateway: RunningGateway, key: string) {
    this.gateway = gateway;
    this.headers = bearer(key);
    this.url = `${gateway.url}/demo/mcp/all`;
  }

  async list(): Promise<Listed> {
    const before = performance.now();
    const answer = await sendModern(this.url, 'tools/list', { headers: this.headers });
    const ms = performance.now() - before;
    const { result } = JSON.parse(answer.text);
    return {
      names: result.tools.map(({ name }: { name: string }) => name),
      stale: result._meta?.['io.gatehouse/stale'] ?? [],
      missing: result._meta?.['io.gatehouse/missing'] ?? [],
      ms,
    };
  }

  /** HTTP status, and the JSON-RPC error if it is one. */
  async call(name: string) {
    const before = performance.now();
    const answer = await sendModern(this.url, 'tools/call', { params: { name, arguments: {} }, headers: this.headers });
    const { error, result } = JSON.parse(answer.text);
    return { status: answer.status, error, result, ms: performance.now() - before };
  }
}

async function startSubject(servers: Readonly<Record<string, string>>): Promise<Subject> {
  const gateway = await startGateway({ configYaml: yaml(servers) });
  return new Subject(gateway, await createKey(gateway));
}

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
/** The gateway's own patience, once per list: what the machine adds to single ones says nothing. */
function expectQuick(lists: readonly Listed[]): void {
  expect(median(lists.map(({ ms }) => ms))).toBeLessThan(PATIENCE_MS + NOISE_MS);
  expect(Math.max(...lists.map(({ ms }) => ms))).toBeLessThan(20 * PATIENCE_MS);
}

describe('ten servers of both eras, over HTTP and stdio', () => {
  const sick: Readonly<Record<string, Fault>> = {
    dead: { kind: 'reset-on-accept' },
    hanging: { kind: 'blackhole' },
    noisy: { kind: 'garbage' },
  };
  const healthy = ['sdk-modern', 'sdk-legacy', 'sdk-both', 'modern', 'legacy', 'plain', 'child'];
  const toolOf: Readonly<Record<string, string>> = {
    'sdk-modern': 'sdk-modern_test_simple_text',
    'sdk-legacy': 'sdk-legacy_test_simple_text',
    'sdk-both': 'sdk-both_test_simple_text',
    modern: 'modern_act',
    legacy: 'legacy_act',
    plain: 'plain_echo',
    child: 'child_pid',
  };
  let sdks: ConformanceServer[];
  let recorders: RecordingUpstream[];
  let proxies: Record<string, FaultProxy>;
  let subject: Subject;

  beforeAll(async () => {
    sdks = await Promise.all((['modern', 'legacy', 'both'] as const).map((eras) => startConformanceServer({ eras })));
    recorders = await Promise.all(Array.from({ length: 6 }, () => startRecordingUpstream()));
    const scripts = [modernServer(), legacyServer(), undefined, modernServer(), legacyServer(), modernServer()];
    for (const [i, recorder] of recorders.entries()) recorder.script(scripts[i]?.script);
    const behind = recorders.slice(3).map(({ port }) => startFaultProxy(port));
    const [dead, hanging, noisy] = await Promise.all(behind);
    if (!dead || !hanging || !noisy) throw new Error('no proxy');
    proxies = { dead, hanging, noisy };
    for (const [name, proxy] of Object.entries(proxies)) proxy.set(sick[name] ?? { kind: 'pass' });
    const urlOf = (i: number) => http(`${recorders[i]?.url}/mcp`);
    subject = await startSubject({
      'sdk-modern': http(sdks[0]?.url ?? ''),
      'sdk-legacy': http(sdks[1]?.url ?? ''),
      'sdk-both': http(sdks[2]?.url ?? ''),
      ...{ modern: urlOf(0), legacy: urlOf(1), plain: urlOf(2) },
      child: `{ kind: stdio, command: node, args: ['${scripted}'], state: stateless }`,
      ...{ dead: http(`${dead.url}/mcp`), hanging: http(`${hanging.url}/mcp`), noisy: http(`${noisy.url}/mcp`) },
    });
  });
  afterAll(async () => {
    await subject?.gateway.stop();
    await Promise.all(
      [...Object.values(proxies ?? {}), ...(recorders ?? []), ...(sdks ?? [])].map((one) => one.close()),
    );
  });

  /** Throws where none comes. */
  const nextListChanged = async (stream: Awaited<ReturnType<typeof openStream>>) => {
    for (;;) {
      const message = JSON.stringify(await stream.nextJson());
      if (message.includes('notifications/tools/list_changed')) return message;
    }
  };

  async function openLegacyStream() {
    const hello = await send(subject.url, { headers: subject.headers, body: initialize() });
    const headers = { ...subject.headers, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
    await send(subject.url, { headers, body: { jsonrpc: '2.0', method: 'notifications/initialized' } });
    return openStream(subject.url, { method: 'GET', headers });
  }

  test('three that were never there are waited for once; then lists are quick and say who is missing [R10]', async () => {
    const first = await subject.list();
    expect([...first.missing].sort()).toEqual(['dead', 'hanging', 'noisy']);
    const lists: Listed[] = [];
    for (let i = 0; i < 60; i++) lists.push(await subject.list());
    expectQuick(lists);
    for (const { names, missing } of lists) {
      expect([...missing].sort()).toEqual(['dead', 'hanging', 'noisy']);
      for (const server of healthy) expect(names).toContain(toolOf[server]);
    }
    // Of the other lists too: nobody waits for the same server twice.
    const before = performance.now();
    await sendModern(subject.url, 'prompts/list', { headers: subject.headers });
    expect(performance.now() - before).toBeLessThan(1000);
  });

  test('calls to the others see no error, and those to the three fail fast with the error of an absent server [R10]', async () => {
    for (let round = 0; round < 3; round++) {
      for (const name of Object.values(toolOf)) {
        const { status, error, result } = await subject.call(name);
        expect({ name, status, error }).toEqual({ name, status: 200, error: undefined });
        expect(result.content).toBeDefined();
      }
    }
    for (const server of Object.keys(sick)) {
      const errors = [];
      for (let i = 0; i < 6; i++) errors.push(await subject.call(`${server}_act`));
      for (const { status, error } of errors) {
        expect(status).toBeGreaterThanOrEqual(502);
        expect(error).toMatchObject({ code: -32603 });
      }
      expect(median(errors.map(({ ms }) => ms))).toBeLessThan(100);
    }
  });

  test('they are there by themselves once they answer, and a change of the list is told [R10]', async () => {
    const stream = await openLegacyStream();
    for (const proxy of Object.values(proxies)) proxy.set({ kind: 'pass' });
    await nextListChanged(stream);
    await expect.poll(async () => (await subject.list()).missing, { timeout: 20_000, interval: 200 }).toEqual([]);
    for (const server of Object.keys(sick))
      await expect.poll(async () => (await subject.call(`${server}_act`)).status, { timeout: 10_000 }).toBe(200);
    stream.close();
  });

  test('three that die later keep their place in the list, marked as old, and heal [R10] [R11]', async () => {
    for (const [name, proxy] of Object.entries(proxies)) {
      proxy.set(sick[name] ?? { kind: 'pass' });
      proxy.killAll();
    }
    // How long an old list counts as new, and some.
    await new Promise((resolve) => setTimeout(resolve, 1200));
    const lists: Listed[] = [];
    for (let i = 0; i < 60; i++) lists.push(await subject.list());
    expectQuick(lists);
    for (const { names, missing } of lists) {
      expect(missing).toEqual([]);
      for (const server of Object.keys(sick)) expect(names).toContain(`${server}_act`);
    }
    expect([...(lists.at(-1)?.stale ?? [])].sort()).toEqual(['dead', 'hanging', 'noisy']);
    for (const name of Object.values(toolOf)) expect((await subject.call(name)).status).toBe(200);
    const stream = await openLegacyStream();
    for (const proxy of Object.values(proxies)) proxy.set({ kind: 'pass' });
    await nextListChanged(stream);
    await expect.poll(async () => (await subject.list()).stale, { timeout: 20_000, interval: 200 }).toEqual([]);
    stream.close();
  });

  test('slow, dripping and truncated answers of some harm none of the others', async () => {
    const faults: readonly Fault[] = [
      { kind: 'latency', ms: 700 },
      { kind: 'drip', ms: 20 },
      { kind: 'truncate', bytes: 60 },
      { kind: 'reset-after', bytes: 60 },
      { kind: 'half-close' },
      { kind: 'stall' },
    ];
    for (const fault of faults) {
      for (const proxy of Object.values(proxies)) {
        proxy.set(fault);
        proxy.killAll();
      }
      const lists: Listed[] = [];
      for (let i = 0; i < 15; i++) lists.push(await subject.list());
      expectQuick(lists);
      for (const { names } of lists) for (const server of healthy) expect(names).toContain(toolOf[server]);
      for (const name of Object.values(toolOf)) expect((await subject.call(name)).status).toBe(200);
    }
    for (const proxy of Object.values(proxies)) {
      proxy.set({ kind: 'pass' });
      proxy.killAll();
    }
  });
});

describe('servers that are killed', () => {
  let folder: string;
  let effects: string;
  let ports: Record<'modern' | 'legacy', number>;
  let servers: Partial<Record<'modern' | 'legacy', ChildProcess>>;
  let subject: Subject;
  const eras = ['modern', 'legacy'] as const;

  async function start(era: 'modern' | 'legacy'): Promise<void> {
    const script = join(import.meta.dirname, '../kit/children/http-mcp.ts');
    const child = spawn(process.execPath, [script, era, String(ports[era]), effects], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    servers[era] = child;
    await new Promise((resolve) => child.stdout?.once('data', resolve));
  }
  const kill = async (child: ChildProcess | undefined) => {
    const gone = new Promise((resolve) => child?.once('exit', resolve));
    child?.kill('SIGKILL');
    await gone;
  };
  const slowRuns = () => readFileSync(effects, 'utf8').split('slow').length - 1;
  const stdioChildren = () => descendants(subject.gateway.pid).filter((pid) => commandLine(pid).includes(scripted));

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'gatehouse-killed-'));
    effects = join(folder, 'effects');
    writeFileSync(effects, '');
    ports = { modern: await freePort(), legacy: await freePort() };
    servers = {};
    await Promise.all(eras.map(start));
    subject = await startSubject({
      modern: http(`http://127.0.0.1:${ports.modern}/mcp`),
      legacy: http(`http://127.0.0.1:${ports.legacy}/mcp`),
      child: `{ kind: stdio, command: node, args: ['${scripted}'], state: stateless }`,
    });
    await subject.list();
  });
  afterAll(async () => {
    await subject?.gateway.stop();
    for (const era of eras) servers?.[era]?.kill('SIGKILL');
    if (folder) rmSync(folder, { recursive: true, force: true });
  });

  test.each(eras)(
    'a %s HTTP server killed in the middle of a call: one error, no second run, and the next call works on the new one [R10]',
    async (era) => {
      expect((await subject.call(`${era}_act`)).status).toBe(200);
      const ran = slowRuns();
      const pending = subject.call(`${era}_slow`);
      await expect.poll(slowRuns).toBe(ran + 1);
      await kill(servers[era]);
      expect(await pending).toMatchObject({ status: 502, error: { code: -32603 } });
      const other = era === 'modern' ? 'legacy' : 'modern';
      expect((await subject.call(`${other}_act`)).status).toBe(200);
      expect((await subject.list()).names).toContain(`${era}_act`);
      await start(era);
      await expect.poll(async () => (await subject.call(`${era}_act`)).status, { timeout: 10_000 }).toBe(200);
      expect(slowRuns()).toBe(ran + 1);
    },
  );

  test.each(eras)('a %s HTTP server restarted between two calls: nobody notices', async (era) => {
    for (let i = 0; i < 3; i++) {
      expect((await subject.call(`${era}_act`)).error).toBeUndefined();
      await kill(servers[era]);
      await start(era);
    }
  });

  test('a stdio child killed between two calls is another one at the next; killed in the middle it is one error [R13]', async () => {
    const pidOf = async () => (await subject.call('child_pid')).result?.content[0].text;
    const before = await pidOf();
    for (const pid of stdioChildren()) process.kill(pid, 'SIGKILL');
    await expect.poll(async () => (await pidOf()) ?? before, { timeout: 10_000 }).not.toBe(before);
    const pending = subject.call('child_hang');
    await new Promise((resolve) => setTimeout(resolve, 100));
    for (const pid of stdioChildren()) process.kill(pid, 'SIGKILL');
    expect(await pending).toMatchObject({ error: { code: -32603 } });
    expect((await subject.call('modern_act')).status).toBe(200);
    await expect.poll(async () => (await subject.call('child_pid')).status, { timeout: 10_000 }).toBe(200);
  });

  test('on the direct way too: a session that the server forgot goes on, a list is asked for again, a call is not', async () => {
    const direct = `${subject.gateway.url}/demo/mcp/legacy`;
    const hello = await send(direct, { headers: subject.headers, body: initialize() });
    const headers = { ...subject.headers, 'mcp-session-id': String(hello.headers['mcp-session-id']) };
    expect((await send(direct, { headers, body: call('act', {}) })).status).toBe(200);
    await kill(servers.legacy);
    await start('legacy');
    expect((await send(direct, { headers, body: { jsonrpc: '2.0', id: 2, method: 'tools/list' } })).json).toMatchObject(
      {
        result: { tools: [{ name: 'act' }] },
      },
    );
    await kill(servers.legacy);
    await start('legacy');
    const again = await send(direct, { headers, body: call('act', {}, 3) });
    expect(again.json).toMatchObject({ id: 3, result: { content: [{ text: 'done' }] } });
    const ran = slowRuns();
    const pending = send(direct, { headers, body: call('slow', {}, 4) });
    await expect.poll(slowRuns).toBe(ran + 1);
    await kill(servers.legacy);
    expect(await pending).toMatchObject({ status: 502 });
    await start('legacy');
    expect(slowRuns()).toBe(ran + 1);
    const stream = await openStream(direct, { method: 'GET', headers });
    expect(stream.status).toBe(200);
    stream.close();
  });
});
