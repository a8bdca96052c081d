/** Servers in containers of a real Podman, as people meet them: through the gateway, with the official client. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { afterAll, describe, expect, test } from 'vitest';
import { openContainerEgress } from '#app/container-egress.ts';
import { systemClock } from '#core/clock.ts';
import { asServerId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import type { ContainerTransport } from '#core/transport.ts';
import { addressGuard } from '#http/address-guard.ts';
import { createKey, type RunningGateway, startGateway } from '#kit/gateway.ts';
import { bearer } from '#kit/http-client.ts';
import { findPodman, type Podman } from '#kit/podman.ts';
import type { ChildExit } from '#runner/child.ts';
import { openContainerRunner } from '#runner/containers/container-runner.ts';
import { findEngine } from '#runner/containers/find-engine.ts';
import { openInstance } from '#runner/containers/instance.ts';
import { openRuns } from '#runner/runs.ts';

const found = await findPodman();
const podman = typeof found === 'string' ? undefined : found;
if (podman) {
  describe('what a container of Podman is held to', () => limits(podman));
  describe('servers in containers of Podman, through the gateway', { timeout: 90_000 }, () =>
    throughTheGateway(podman),
  );
  afterAll(() => podman.close());
} else test.skip(`containers of a real Podman: ${found}`, () => {});

const configOf = ({ socket, image }: Podman, volume: string) => `
organizations: [{ slug: acme, name: Acme }]
servers:
  - { key: spoken, transport: { kind: container, image: '${image}', args: [/app/mcp.ts], credentialEnv: API_KEY } }
  - key: listening
    transport:
      { kind: container, image: '${image}', args: [/app/listening-mcp.ts], speaks: http, permission: { network: full },
        credentialEnv: API_KEY, state: stateless }
  - key: files
    transport:
      kind: container
      image: '${image}'
      args: [/app/mcp.ts]
      volumes: [{ source: '${volume}', target: /work, readOnly: false }]
  - { key: absent, transport: { kind: container, image: 'registry.example/none:1' } }
collections:
  - { organization: acme, name: spoken, allowedRoles: '*', bindings: [{ server: spoken, credential: '\${TOOL_KEY}' }] }
  - { organization: acme, name: listening, allowedRoles: '*', bindings: [{ server: listening, credential: '\${TOOL_KEY}' }] }
  - { organization: acme, name: absent, allowedRoles: '*', bindings: [{ server: absent }] }
enablements:
  - { organization: acme, server: spoken, allMembers: true }
  - { organization: acme, server: listening, allMembers: true }
  - { organization: acme, server: absent, allMembers: true }
runner: { engine: '${socket}', images: ['localhost/*', 'registry.example/*'] }
`;

const secret = 'sk-of-the-tool-0123456789';

function limits(engine: Podman): void {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-container-limits-'));
  const writable = join(folder, 'writable');
  const readable = join(folder, 'readable');
  for (const path of [writable, readable]) mkdirSync(path, { mode: 0o777 });
  chmodSync(writable, 0o777);
  writeFileSync(join(readable, 'file'), 'of the host');
  const opened = findEngine({ setting: engine.socket, env: {} });
  const asked: object[] = [];
  const hear = (fields: object) => void asked.push(fields);
  const ways = openContainerEgress({
    clock: systemClock,
    log: { ...silentLog, info: hear, warn: hear },
    egress: {
      guard: addressGuard({
        allow: ['allowed.test'],
        resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      }),
      proxyFor: () => undefined,
    },
  });
  const runner = openContainerRunner({
    egressSocket: ways.socket,
    ...{ clock: systemClock, log: silentLog, runs: openRuns({ clock: systemClock }), engine: () => opened },
    instance: openInstance({ dataDir: folder, now: () => Date.now() }),
    settings: { user: '65534:65534', runtime: undefined, images: undefined, refusedSources: [] },
  });

  afterAll(async () => {
    await runner.close();
    ways.close();
    await (await opened).close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Runs JavaScript in a container; its last line, and how it ended. */
  function evaluate(code: string, more: Partial<ContainerTransport> = {}): Promise<{ line: string; exit: ChildExit }> {
    const { promise, resolve } = Promise.withResolvers<{ line: string; exit: ChildExit }>();
    let line = '';
    const transport: ContainerTransport = {
      ...{ kind: 'container', image: engine.image, args: ['-e', code], speaks: 'stdio', env: {}, state: 'stateful' },
      ...more,
    };
    const id = asServerId('00000000-0000-7000-8000-0000000000aa');
    runner.spawn(
      { server: id, key: 'evaluated', org: undefined, transport, env: {}, owner: 'acme' },
      { onLine: (bytes) => (line = bytes.toString()), onExit: (exit) => resolve({ line, exit }) },
    );
    return promise;
  }

  test('a network of listed hosts is a socket of the gateway: nothing else is reached, each question is on record [G6]', async () => {
    const web = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((done) => web.listen(0, '127.0.0.1', done));
    const address = web.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const targets = [`allowed.test:${port}`, `other.test:${port}`, 'inside.test:443'];
    const code = `
      const http = require('http'), net = require('net');
      const ask = (path) => new Promise((done) => http.request({ socketPath: process.env.GATEHOUSE_EGRESS_SOCKET, method: 'CONNECT', path })
        .on('connect', (res, socket) => { if (res.statusCode !== 200) return done(res.statusCode);
          socket.on('data', (d) => done(String(d).includes('hello') ? 'hello' : String(d))); socket.write('GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n') })
        .on('error', (e) => done(e.code)).end());
      const direct = new Promise((done) => net.connect(${port}, '127.0.0.1', () => done('reached')).on('error', (e) => done(e.code)));
      (async () => { const out = [await direct]; for (const each of ${JSON.stringify(targets)}) out.push(await ask(each)); console.log(JSON.stringify(out)); process.exit(0) })()`;
    try {
      const permission = { network: { allow: ['allowed.test', 'inside.test'] } };
      const { line, exit } = await evaluate(code, { permission });
      expect([line, exit.stderr]).toEqual([JSON.stringify(['ECONNREFUSED', 'hello', 403, 403]), '']);
      expect(asked).toContainEqual(
        expect.objectContaining({ server: 'evaluated', host: 'allowed.test', allowed: true }),
      );
      for (const host of targets.slice(1))
        expect(asked).toContainEqual(expect.objectContaining({ host, allowed: false }));
    } finally {
      web.close();
    }
  });

  test('no root, no capability, no new privilege, a filter on system calls, nothing to write but scratch space [G7]', async () => {
    const probe = `
      const fs = require('fs');
      const attempt = (run) => { try { run(); return 'done' } catch (error) { return error.code } };
      const status = fs.readFileSync('/proc/self/status', 'utf8');
      const field = (name) => new RegExp('^' + name + ':\\\\s*(.*)$', 'm').exec(status)[1];
      console.log(JSON.stringify({
        uid: process.getuid(), gid: process.getgid(), caps: field('CapBnd') + field('CapEff') + field('CapPrm'),
        privileges: field('NoNewPrivs'), seccomp: field('Seccomp'),
        root: attempt(() => fs.writeFileSync('/x', '')), tmp: attempt(() => fs.writeFileSync('/tmp/x', '')),
        declared: attempt(() => fs.writeFileSync('/data/x', Buffer.alloc(20 * 1024 * 1024))),
        writable: attempt(() => fs.writeFileSync('/w/x', 'from inside')), readable: attempt(() => fs.writeFileSync('/r/x', '')),
        read: fs.readFileSync('/r/file', 'utf8'), socket: fs.existsSync('${engine.socketPath}'),
        mounts: fs.readFileSync('/proc/mounts', 'utf8').split('\\n').filter((line) => / \\/(tmp|run|var\\/tmp|data|dev\\/shm) /.test(line)).every((line) => line.includes('noexec')),
        interfaces: Object.keys(require('os').networkInterfaces()), environment: Object.keys(process.env).sort(),
      }))`;
    const { line } = await evaluate(probe, {
      volumes: [
        { source: writable, target: '/w', readOnly: false },
        { source: readable, target: '/r', readOnly: true },
      ],
    });
    const said = JSON.parse(line);
    expect(said).toMatchObject({
      uid: 65_534,
      gid: 65_534,
      privileges: '1',
      seccomp: '2',
      tmp: 'done',
      declared: 'ENOSPC',
    });
    expect(said.caps).toMatch(/^0+$/);
    expect(said).toMatchObject({
      root: 'EROFS',
      writable: 'done',
      readable: 'EROFS',
      read: 'of the host',
      mounts: true,
    });
    expect(said).toMatchObject({ interfaces: ['lo'], socket: false });
    // What Podman itself adds, what the image says, and ours: nothing of the gateway's environment.
    expect(said.environment).toEqual(['HOME', 'HOSTNAME', 'PATH', 'TERM', 'container']);
    expect(readFileSync(join(writable, 'x'), 'utf8')).toBe('from inside');
  });

  test('processes, open files, the size of files and the network are limited [G6] [G8]', async () => {
    const attack = `
      const fs = require('fs'), { spawnSync, spawn } = require('child_process');
      let open = 0; const fds = [];
      try { for (; open < 5000; open++) fds.push(fs.openSync('/bin/node')) } catch (error) { open = error.code }
      for (const fd of fds) fs.closeSync(fd);
      process.on('SIGXFSZ', () => {});
      let size; try { fs.writeFileSync('/w/big', Buffer.alloc(3 * 1024 * 1024)); size = 'done' } catch (error) { size = error.code }
      let refused = 0, started = 0;
      const socket = require('net').connect(5432, '169.254.169.254');
      socket.on('error', (error) => {
        for (let i = 0; i < 100; i++) { const child = spawn('/bin/node', ['-e', 'setTimeout(() => {}, 20000)']); if (child.pid) started++; child.on('error', () => refused++) }
        setTimeout(() => { console.log(JSON.stringify({ open, size, network: error.code, started, refused })); process.exit() }, 300);
      });`;
    const { line } = await evaluate(attack, {
      volumes: [{ source: writable, target: '/w', readOnly: false }],
      resources: { fileMb: 2, processes: 40, openFiles: 200 },
    });
    const said = JSON.parse(line);
    expect(said).toMatchObject({ open: 'EMFILE', size: 'EFBIG', network: 'ENETUNREACH' });
    expect(said.started).toBeLessThan(40);
    expect(said.refused).toBe(100 - said.started);
  });

  test('who takes too much memory is ended, and it is said why [G8]', async () => {
    const { exit } = await evaluate('const all = []; for (;;) all.push(Buffer.alloc(8 * 1024 * 1024, 1))', {
      resources: { memoryMb: 64 },
    });
    expect(exit).toMatchObject({ code: 137, reason: expect.stringContaining('out of memory') });
  });

  test('a container that ignores every signal and the end of its stdin is ended all the same [G9]', async () => {
    const id = asServerId('00000000-0000-7000-8000-0000000000ab');
    const args = [
      '-e',
      "for (const name of ['SIGTERM','SIGINT','SIGHUP']) process.on(name, () => {}); setInterval(() => {}, 1000); console.log('up')",
    ];
    const transport: ContainerTransport = {
      ...{ kind: 'container', image: engine.image, args, speaks: 'stdio', env: {}, state: 'stateful' },
    };
    const { promise: up, resolve } = Promise.withResolvers<void>();
    const child = runner.spawn(
      { server: id, key: 'stubborn', org: undefined, transport, env: {}, owner: 'acme' },
      { onLine: () => resolve(), onExit() {} },
    );
    await up;
    expect((await child.stop()).reason).toBe('stopped');
    expect(engine.cli('ps', '--all', '--quiet').trim()).toBe('');
  });
}

function throughTheGateway(engine: Podman): void {
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-containers-'));
  const dataDir = join(folder, 'data');
  const volume = join(folder, 'volume');
  mkdirSync(dataDir);
  mkdirSync(volume, { mode: 0o777 });
  let gateway: RunningGateway | undefined;
  let key = '';

  const start = () => startGateway({ configYaml: configOf(engine, volume), env: { TOOL_KEY: secret }, dataDir });
  const containers = () =>
    engine.cli('ps', '--all', '--filter', 'label=gatehouse', '--format', '{{.ID}}').split('\n').filter(Boolean);

  async function connect(name: string): Promise<Client> {
    gateway ??= await start();
    key ||= await createKey(gateway, 'acme');
    const client = new Client({ name: 'test', version: '1' });
    const requestInit = { headers: bearer(key) };
    await client.connect(
      new StreamableHTTPClientTransport(new URL(`${gateway.url}/acme/mcp/${name}`), { requestInit }),
    );
    return client;
  }

  async function call(client: Client, name: string, args: Record<string, unknown> = {}): Promise<string> {
    const { content } = await client.callTool({ name, arguments: args });
    const [first] = Array.isArray(content) ? content : [];
    return first?.type === 'text' ? first.text : '';
  }

  afterAll(async () => {
    await gateway?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  test('an official client calls a server that speaks over stdin and stdout of a container [S2.12]', async () => {
    const client = await connect('spoken');
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain('pid');
    // The first process of a container.
    expect(await call(client, 'pid')).toBe('1');
    expect(await call(client, 'env')).toBe(secret);
    expect(containers()).toHaveLength(1);
    expect(gateway?.output()).not.toContain(secret);
    await client.close();
  });

  test('an official client calls a server that listens in a container [S2.12]', async () => {
    const client = await connect('listening');
    const said = JSON.parse(await call(client, 'whoami', { hello: 'there' }));
    expect(said).toEqual({ pid: 1, uid: 65_534, hello: 'there', key: secret });
    await client.close();
  });

  test('an image that is not here is not pulled: its server is unreachable, and the log says what to do [G7] [G13]', async () => {
    await expect(connect('absent')).rejects.toThrow();
    await expect.poll(() => gateway?.output()).toContain('registry.example/none:1 is not here: pull it first');
  });

  test('after kill -9 of the gateway the next one removes its containers [G9]', async () => {
    const before = containers();
    expect(before.length).toBeGreaterThan(0);
    await gateway?.kill9();
    gateway = await start();
    await expect.poll(() => containers().filter((id) => before.includes(id)), { timeout: 10_000 }).toEqual([]);
    const client = await connect('spoken');
    expect(await call(client, 'pid')).toBe('1');
    await client.close();
  });

  test('when the gateway stops, so do its containers [G9]', async () => {
    await gateway?.stop();
    gateway = undefined;
    expect(containers()).toEqual([]);
    expect(existsSync(join(dataDir, 'containers', 'host'))).toBe(true);
    expect(readFileSync(join(dataDir, 'containers', 'host'), 'utf8')).toMatch(/^[0-9a-f-]{36}$/);
  });
}
