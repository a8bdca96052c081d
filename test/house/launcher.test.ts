import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

let root = '';

/** A clone in miniature, and an npm that only writes down how it was called. */
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-launcher-'));
  for (const folder of ['src/core', 'bin', 'scripts', 'tools']) mkdirSync(join(root, folder), { recursive: true });
  cpSync('bin/gatehouse.mjs', join(root, 'bin/gatehouse.mjs'));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  const lock = { packages: { '': {}, 'node_modules/a': { version: '1.0.0' } } };
  writeFileSync(join(root, 'package-lock.json'), JSON.stringify(lock));
  writeFileSync(
    join(root, 'tools/npm'),
    '#!/bin/sh\necho "$@ NODE_ENV=$NODE_ENV omit=$npm_config_omit" >> calls.txt\nmkdir -p node_modules\n',
  );
  chmodSync(join(root, 'tools/npm'), 0o755);
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const writeMain = (text: string, file = 'src/main.ts') => writeFileSync(join(root, file), text);
const npmCalls = () => (existsSync(join(root, 'calls.txt')) ? readFileSync(join(root, 'calls.txt'), 'utf8') : '');

function launch(args: readonly string[], env: Readonly<Record<string, string>> = {}, detached = false): ChildProcess {
  const { NODE_OPTIONS: _, ...inherited } = process.env;
  const path = [join(root, 'tools'), process.env.PATH].join(delimiter);
  return spawn(process.execPath, [join(root, 'bin/gatehouse.mjs'), ...args], {
    env: { ...inherited, PATH: path, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached,
  });
}

async function end(child: ChildProcess): Promise<{ code: number | null; signal: string | null; out: string }> {
  let out = '';
  child.stdout?.on('data', (chunk) => {
    out += chunk;
  });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, out })));
}

/** NODE_OPTIONS under which the launcher has to start a second Node. */
const otherNode = { NODE_OPTIONS: '--no-strip-types' };

test.each([{}, otherNode])('arguments, output and exit code are those of main.ts (%o)', async (env) => {
  writeMain('const code: number = 7; console.log(process.argv.slice(2).join("|")); process.exitCode = code;');
  expect(await end(launch(['serve', '--port', '0'], env))).toEqual({ code: 7, signal: null, out: 'serve|--port|0\n' });
});

test.each([{}, otherNode])('a signal reaches main.ts once and its end is kept (%o)', async (env) => {
  writeMain(
    `process.on('SIGTERM', () => { console.log('bye'); process.exitCode = 3; clearInterval(timer); });
     const timer = setInterval(() => {}, 1000); console.log('ready');`,
  );
  const child = launch([], env);
  child.stdout?.once('data', () => child.kill('SIGTERM'));
  expect(await end(child)).toEqual({ code: 3, signal: null, out: 'ready\nbye\n' });
});

test.each([{}, otherNode])('a signal to the whole process group reaches main.ts once (%o)', async (env) => {
  writeMain(
    `let count = 0; process.on('SIGINT', () => { count += 1; setTimeout(() => { console.log(count); process.exit(); }, 100); });
     setInterval(() => {}, 1000); console.log('ready');`,
  );
  const child = launch([], env, true);
  child.stdout?.once('data', () => process.kill(-(child.pid ?? 0), 'SIGINT'));
  expect((await end(child)).out).toBe('ready\n1\n');
});

test('when the launcher is killed outright, main.ts is told to end', async () => {
  writeMain(
    `process.on('SIGTERM', () => { console.log('bye'); process.exit(); }); setInterval(() => {}, 1000); console.log('ready');`,
  );
  const child = launch([], otherNode);
  child.stdout?.once('data', () => child.kill('SIGKILL'));
  expect((await end(child)).out).toBe('ready\nbye\n');
});

/** Started by npm, ended by a signal to npm alone or to its whole process group. */
test.each([1, -1])('when npm is ended, main.ts is told to end, once (%i)', async (sign) => {
  writeMain(
    `let count = 0; process.on('SIGTERM', () => { count += 1; setTimeout(() => { console.log(count); process.exit(); }, 600); });
     setInterval(() => {}, 1000); setTimeout(() => console.log('ready'), 400);`,
  );
  const manifest = { type: 'module', scripts: { start: 'node bin/gatehouse.mjs serve' } };
  writeFileSync(join(root, 'package.json'), JSON.stringify(manifest));
  mkdirSync(join(root, 'node_modules'));
  cpSync(join(root, 'package-lock.json'), join(root, 'node_modules/.package-lock.json'));
  const npm = spawn('npm', ['start', '--silent'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  npm.stdout.once('data', () => process.kill(sign * (npm.pid ?? 0), 'SIGTERM'));
  expect((await end(npm)).out).toBe('ready\n1\n');
});

test('main.ts killed by a signal is seen as that', async () => {
  writeMain(`process.kill(process.pid, 'SIGKILL');`);
  expect((await end(launch([], otherNode))).signal).toBe('SIGKILL');
});

test('a clone installs once, the whole development set, whatever settings an outer npm left', async () => {
  writeMain('');
  const env = { NODE_ENV: 'production', npm_config_omit: 'dev', npm_config_ignore_scripts: 'true' };
  const both = await Promise.all([end(launch([], env)), end(launch([], env))]);
  await end(launch([], env));
  expect(both.map((one) => one.code)).toEqual([0, 0]);
  const calls = npmCalls().trim().split('\n');
  expect(calls).toHaveLength(1);
  expect(calls[0]).toMatch(/^install .*--ignore-scripts .*--include=dev --include=optional .*NODE_ENV= omit=$/);
});

test('a changed lockfile installs again', async () => {
  writeMain('');
  await end(launch([]));
  writeFileSync(join(root, 'package-lock.json'), '{"packages":{"node_modules/b":{"version":"2.0.0"}}}');
  await end(launch([]));
  expect(npmCalls().trim().split('\n')).toHaveLength(2);
});

test('what somebody else installed from the same lockfile is used as it is', async () => {
  writeMain('');
  mkdirSync(join(root, 'node_modules'));
  cpSync(join(root, 'package-lock.json'), join(root, 'node_modules/.package-lock.json'));
  expect((await end(launch([]))).code).toBe(0);
  expect(npmCalls()).toBe('');
});

test('a failed install starts nothing', async () => {
  writeMain('console.log("started")');
  writeFileSync(join(root, 'tools/npm'), '#!/bin/sh\nexit 1\n');
  expect(await end(launch([]))).toMatchObject({ code: 1, out: '' });
});

test('the lock of a launch that died is taken over', async () => {
  writeMain('');
  const dead = launch([]);
  await end(dead);
  rmSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(join(root, '.cache/install.lock'), String(dead.pid));
  expect((await end(launch([]))).code).toBe(0);
});

test('the installed package runs its bundle and installs nothing [S0.28]', async () => {
  rmSync(join(root, 'src'), { recursive: true });
  mkdirSync(join(root, 'dist'));
  writeMain('console.log("bundle", process.argv[2])', 'dist/main.mjs');
  expect(await end(launch(['--version']))).toMatchObject({ code: 0, out: 'bundle --version\n' });
  expect(npmCalls()).toBe('');
});

test('objects have no __proto__ setter in the product', async () => {
  writeMain('console.log(typeof ({} as Record<string, unknown>)["__proto__"])');
  expect((await end(launch([]))).out).toBe('undefined\n');
});
