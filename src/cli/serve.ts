/** `serve`: starts the gateway, says where it is, and stops it when the process is told to. */
import { unwatchFile, watchFile } from 'node:fs';
import type { App } from '#app.ts';
import { type Config, loadConfig } from '#config/load.ts';
import { openBanner } from './banner.ts';
import type { Io } from './io.ts';

interface ServeOptions {
  readonly host?: string;
  readonly port?: string;
  readonly dataDir?: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** Returns when the gateway has stopped. Throws GatehouseError when it cannot start. */
export async function serve(io: Io, options: ServeOptions, version: string): Promise<void> {
  const read = () => loadConfig({ ...io, env: withFlags(io.env, options), isTerminal: io.outIsTerminal });
  const config = read();
  const untilStopped = openStopper(io, config);
  const isShown = io.outIsTerminal && config.telemetry.logFormat === 'pretty';
  const banner = openBanner(isShown ? io : { ...io, err: () => undefined }, { version, demo: config.demo });
  const { openApp } = await import('#app.ts');
  const app = await openApp(config, { version, env: io.env, onStep: banner.step, quiet: isShown });
  banner.done();
  const { url, keysUrl, endpoints, firstKey, firstAccount, signIn, portalLink } = app;
  const account = firstAccount && { username: firstAccount.username, password: firstAccount.password.reveal() };
  const key = firstKey?.reveal();
  if (isShown)
    banner.welcome({
      url,
      keysUrl,
      endpoints,
      key,
      account,
      signIn,
      portal: portalLink?.reveal(),
      command: io.command,
    });
  else if (key !== undefined) io.out(`${key}\n`);
  if (!isShown && account) io.out(`${account.username} ${account.password}\n`);
  io.onCrash((error) => crash(io, app, error));
  const unwatch = watchConfig(io, app, { file: config.file, read });
  await untilStopped(app).finally(unwatch);
}

/** By name, not by inode: editors and mounted configuration maps put another file in its place. */
function watchConfig(
  io: Io,
  app: App,
  { file, read }: { readonly file: string | undefined; readonly read: () => Config },
): () => void {
  const renew = () => void app.reload(read);
  if (file === undefined) return () => undefined;
  // A terminal that is closed ends what runs in it, as ever.
  if (!io.inIsTerminal) io.onReload?.(renew);
  watchFile(file, { interval: WATCH_MS, persistent: false }, renew);
  return () => unwatchFile(file, renew);
}

const WATCH_MS = 1000;

const CRASH_MS = 5000;

/** Nothing goes on after an error that nobody expected: what is known of calls is saved, then the process ends (exit 1). */
function crash(io: Io, app: App, error: unknown): void {
  app.log.error({ err: error }, 'an error that nobody expected: stopping');
  setTimeout(() => io.exit(1), CRASH_MS).unref();
  void app.close().finally(() => io.exit(1));
}

/** Flags over environment over `.env` over file. */
function withFlags(env: Io['env'], { host, port, dataDir, config, json }: ServeOptions): Io['env'] {
  return {
    ...env,
    ...(host !== undefined && { HOST: host }),
    ...(port !== undefined && { PORT: port }),
    ...(dataDir !== undefined && { DATA_DIR: dataDir }),
    ...(config !== undefined && { GATEHOUSE_CONFIG: config }),
    ...(json && { LOG_FORMAT: 'json' }),
  };
}

/**
 * While developing Ctrl+C stops at once; else what is in flight is finished, and a second signal ends the waiting (S0.22).
 * Listens from before the start on: a signal during it stops what has started as soon as that is possible.
 */
function openStopper(io: Io, { nodeEnv }: Config): (app: App) => Promise<void> {
  let running: App | undefined;
  let asked: NodeJS.Signals | undefined;
  const stopped = Promise.withResolvers<void>();

  const stop = (app: App, signal: NodeJS.Signals) => {
    app.log.info({ signal }, 'stopping gracefully: finishing what is in flight');
    app.close().then(() => {
      stopped.resolve();
      // Whatever a library still holds open must not keep a stopped gateway alive.
      io.exit(0);
    }, stopped.reject);
  };
  io.onSignal((signal) => {
    if (asked !== undefined || (signal === 'SIGINT' && nodeEnv === 'development')) {
      running?.log.info({ signal }, 'stopping at once');
      io.exit(asked === undefined ? 0 : 1);
      return;
    }
    asked = signal;
    if (running) stop(running, signal);
  });
  return (app) => {
    running = app;
    if (asked !== undefined) stop(app, asked);
    return stopped.promise;
  };
}
