import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';
import { ask, noSandbox, openSandboxedRunners, openTestSandbox, runScript } from '#kit/sandbox.ts';
import { openRunner } from '#runner/runner.ts';

const open = openSandboxedRunners();
const attempt = `const fs = require('fs'); const attempt = (run) => { try { return run() ?? 'done' } catch (e) { return e.code ?? e.message } };`;

test('without bubblewrap no program starts, and the reason is told to administrators only [R14]', async () => {
  const sandbox = openTestSandbox({ env: { PATH: '/nowhere' } });
  const runner = openRunner({ clock: systemClock, log: silentLog, env: process.env, sandbox });
  const refused = await runner.ready().catch((error: unknown) => error);
  expect(refused).toMatchObject({ code: 'upstream_unreachable', message: 'Upstream server is unreachable' });
  expect(refused).toHaveProperty('cause.message', expect.stringContaining('sandbox: '));
  expect(sandbox.status).toMatchObject({ state: 'unavailable' });
  const events = { onLine() {}, onExit() {} };
  expect(() => runner.spawn({ command: process.execPath, args: ['-v'], env: {} }, events)).toThrow(/unreachable/);
  expect(runner.size).toBe(0);
  await runner.close();
});

describe.skipIf(noSandbox !== '')('a real sandbox', () => {
  test.runIf(process.getuid?.() === 0)('says what does not hold where the gateway is root [G6]', async () => {
    const said: string[] = [];
    const log = { ...silentLog, warn: (_: object, message: string) => void said.push(message) };
    const sandbox = openTestSandbox({ log });
    await sandbox.check();
    await sandbox.close();
    expect(said).toEqual([expect.stringMatching(/root.*a user of its own/)]);
  });

  test('a program has exactly its variables, three descriptors, and no other process in sight [G3] [G4]', async () => {
    const found = await ask(
      await open(),
      `const fs = require('fs'); const { spawnSync } = require('child_process');
      return { env: process.env, fds: spawnSync('/bin/ls', ['/proc/self/fd']).stdout.toString().trim().split('\\n'),
        pids: fs.readdirSync('/proc').filter((n) => /^[0-9]+$/.test(n)), first: fs.readFileSync('/proc/1/environ', 'utf8'),
        uid: process.getuid(), cwd: process.cwd() }`,
      { env: { API_KEY: new Secret('sesame') } },
    );
    const { PATH, ...env } = found.env;
    expect(env).toEqual({
      API_KEY: 'sesame',
      HOME: '/work',
      TMPDIR: '/tmp',
      PWD: '/work',
      ...(process.env.LANG && { LANG: process.env.LANG }),
    });
    expect(PATH).toContain('/usr/bin');
    // As a program outside has them: its three, the folder that is listed, and what whoever started the tests left open.
    expect(found.fds).toEqual(spawnSync('/bin/ls', ['/proc/self/fd']).stdout.toString().trim().split('\n'));
    expect(found.pids.length).toBeLessThanOrEqual(3);
    expect(found.first).not.toContain('ENCRYPTION_KEY');
    expect(found).toMatchObject({ uid: 65_534, cwd: '/work' });
  });

  test('no secret is on the command line of the sandbox [G4]', async () => {
    const { runner } = await open();
    const spec = { command: '/bin/cat', args: [], env: { API_KEY: new Secret('sesame-open') } };
    const child = runner.spawn(spec, { onLine() {}, onExit() {} });
    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).not.toContain('sesame-open');
    await child.stop();
  });

  test('what is not given does not exist, and what is given read-only stays as it is [G5]', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sandbox-'));
    for (const name of ['seen', 'kept', 'other']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'other', 'secret'), 'theirs');
    symlinkSync(join(folder, 'other', 'secret'), join(folder, 'seen', 'way-out'));
    const found = await ask(
      await open(),
      `${attempt} const f = ${JSON.stringify(folder)};
      return { shadow: attempt(() => fs.readFileSync('/etc/shadow')), ssh: attempt(() => fs.readdirSync('/root/.ssh')), data: attempt(() => fs.readdirSync('/var')),
        docker: attempt(() => fs.statSync('/var/run/docker.sock')), other: attempt(() => fs.readFileSync(f + '/other/secret')), link: attempt(() => fs.readFileSync(f + '/seen/way-out')),
        usr: attempt(() => fs.writeFileSync('/usr/x', '')), root: attempt(() => fs.writeFileSync('/x', '')), dev: attempt(() => fs.writeFileSync('/dev/x', '')),
        seen: attempt(() => fs.writeFileSync(f + '/seen/x', '')), kept: attempt(() => fs.writeFileSync('/kept/x', 'ours')), work: attempt(() => fs.writeFileSync('x', '')), tmp: attempt(() => fs.writeFileSync('/tmp/x', '')) }`,
      {
        permission: { network: 'none', read: [join(folder, 'seen')] },
        volumes: [{ source: join(folder, 'kept'), target: '/kept', readOnly: false }],
      },
    );
    expect(found).toEqual({
      ...{ shadow: 'ENOENT', ssh: 'ENOENT', data: 'ENOENT', docker: 'ENOENT', other: 'ENOENT', link: 'ENOENT' },
      ...{ usr: 'EROFS', root: 'EROFS', dev: 'EROFS', seen: 'EROFS', kept: 'done', work: 'done', tmp: 'done' },
    });
    expect(readFileSync(join(folder, 'kept', 'x'), 'utf8')).toBe('ours');
    expect(readdirSync(join(folder, 'seen'))).toEqual(['way-out']);
  });

  test('nothing answers from inside: neither this machine nor the metadata of a cloud [G6]', async () => {
    const outside = createServer((socket) => socket.end());
    await new Promise<void>((resolve) => outside.listen(0, '127.0.0.1', resolve));
    const address = outside.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const script = `const net = require('net'); const tryOne = (host, port) => new Promise((done) => net.connect(port, host).on('connect', () => done('reached')).on('error', (e) => done(e.code)));
      Promise.all([tryOne('127.0.0.1', ${port}), tryOne('169.254.169.254', 80), tryOne('1.1.1.1', 443)]).then((all) => console.log(JSON.stringify(all)))`;
    const { stdout } = await runScript(await open(), script);
    expect(JSON.parse(stdout)).toEqual(['ECONNREFUSED', 'ENETUNREACH', 'ENETUNREACH']);
    const full = await runScript(
      await open(),
      script.replace("tryOne('169.254.169.254', 80), tryOne('1.1.1.1', 443)", ''),
      {
        permission: { network: 'full' },
      },
    );
    expect(JSON.parse(full.stdout)).toEqual(['reached']);
    outside.close();
  });

  test('the kernel refuses what no program needs: mounts, namespaces, traces, other sockets [G5] [G7]', async () => {
    const found = await ask(
      await open(),
      `const { spawnSync } = require('child_process'); const run = (...line) => spawnSync(line[0], line.slice(1)).status;
      const status = require('fs').readFileSync('/proc/self/status', 'utf8');
      return { mount: run('/bin/mount', '-t', 'tmpfs', 'x', '/tmp'), unshare: run('/usr/bin/unshare', '-U', 'true'), chroot: run('/usr/sbin/chroot', '/', 'true'),
        caps: /CapEff:\\s*0+\\n/.test(status), privileges: /NoNewPrivs:\\s*1/.test(status), filter: /Seccomp:\\s*2/.test(status) }`,
    );
    for (const status of [found.mount, found.unshare, found.chroot]) expect(status).not.toBe(0);
    expect(found).toMatchObject({ caps: true, privileges: true, filter: true });
  });

  test('no definition shows the data of the gateway, by mistake or by a trick [G4] [G5]', async () => {
    const { runner } = await open({ dataDir: '/srv/gatehouse/data', secret: ['/root'] });
    const start = (spec: object) => () =>
      runner.spawn({ command: '/bin/cat', args: [], env: {}, ...spec }, { onLine() {}, onExit() {} });
    for (const path of ['/', '/srv', '/srv/gatehouse/data', '/srv/x/../gatehouse']) {
      expect(start({ permission: { network: 'none', read: [path] } })).toThrow(/data/);
      expect(start({ permission: { network: 'none', write: [path] } })).toThrow(/data/);
      expect(start({ volumes: [{ source: path, target: '/x', readOnly: true }] })).toThrow(/data/);
      expect(start({ cwd: path })).toThrow(/working folder/);
    }
    expect(start({ cwd: '/root' })).toThrow(/working folder/);
    expect(start({ cwd: '/usr\0--share-net' })).toThrow(/NUL/);
    expect(start({ volumes: [{ source: '/usr', target: '/x\0--share-net', readOnly: true }] })).toThrow(/NUL/);
    expect(runner.size).toBe(0);
  });

  test('neither links nor what lies inside are a way to the data of the gateway, nor to the machine [G4] [G5]', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'data-'));
    const data = join(folder, 'data');
    for (const name of ['data', 'data/db', 'data/servers', 'data/servers/mine', 'other']) mkdirSync(join(folder, name));
    symlinkSync(data, join(folder, 'link'));
    symlinkSync(join(data, 'db'), join(folder, 'other', 'deep'));
    const { runner } = await open({ dataDir: join(folder, 'link') });
    const start = (spec: object) => () =>
      runner.spawn({ command: '/bin/true', args: [], env: {}, ...spec }, { onLine() {}, onExit() {} });
    const paths = [data, join(data, 'db'), join(folder, 'link', 'db'), join(folder, 'other', 'deep')];
    for (const path of [...paths, '/proc', '/dev/shm', '/sys/fs', '/run/docker.sock', '/run', '/var/lib/docker/x']) {
      expect(start({ volumes: [{ source: path, target: '/x', readOnly: true }] })).toThrow(/data|machine/);
      expect(start({ permission: { network: 'none', read: [path] } })).toThrow(/data|machine/);
    }
    for (const path of paths) expect(start({ cwd: path })).toThrow(/working folder/);
    expect(
      start({ volumes: [{ source: join(data, 'servers', 'mine'), target: '/x', readOnly: false }] }),
    ).not.toThrow();
  });
});
