/** The ports of the gateway: its own, one for API keys only, and those of servers. */
import type { Config } from '#config/load.ts';
import type { Log } from '#core/log.ts';
import { type Handler, type Listener, openListener, type Upgrade } from '#http/server.ts';
import { followTlsFiles, isOpenToOthers, readTlsPair, type TlsPair } from '#http/tls-files.ts';
import type { Closers } from './closers.ts';
import type { Front } from './front.ts';
import { listenerOptions, localUrl } from './gateway-settings.ts';
import { openServerPorts, type ServerPorts } from './server-ports.ts';

export interface Listeners {
  readonly port: number;
  /** Plain HTTP from this machine, for commands and checks. */
  readonly url: string;
  /** As a browser on this machine reaches it. */
  readonly localhostUrl: string;
  readonly keysPort: number | undefined;
  readonly ports: ServerPorts;
  serve(front: Front): void;
  /** Both at once. */
  close(deadlineMs: number): Promise<void>;
}

/** Listens before the rest is open: a taken port is said at once, and port 0 becomes a number. */
export async function listen(
  config: Config,
  { closers, log }: { readonly closers: Closers; readonly log: Log },
): Promise<Listeners> {
  const wait: Handler = (_req, res) => void res.writeHead(503, { 'Retry-After': '1' }).end();
  const waitUpgrade = ({ req, res }: Upgrade) => wait(req, res);
  let front: Pick<Front, 'handle' | 'handleKeysOnly' | 'upgrade' | 'upgradeKeysOnly'> = {
    ...{ handle: wait, handleKeysOnly: wait, upgrade: waitUpgrade, upgradeKeysOnly: waitUpgrade },
  };
  const opened: Listener[] = [];
  const close = async (deadlineMs: number) => {
    await Promise.all([...opened, ports].map((listener) => listener.close(deadlineMs)));
  };
  // For a start that fails from here on; a graceful stop closes them first of all.
  closers.add('listener', () => close(0));
  const plain = listenerOptions(config);
  const ports = openServerPorts({
    listener: plain,
    given: new Map(Object.entries(config.serverPorts)),
    hosts: new Map(Object.entries(config.serverHosts)),
    log,
  });
  const tls = config.http.tls && (await readTlsPair(config.http.tls));
  const options = { ...plain, ...(tls && { tls }) };
  const handler: Handler = (req, res) => front.handle(req, res);
  const onUpgrade = (upgrade: Upgrade) => front.upgrade(upgrade);
  const main = await openListener(options, handler, onUpgrade);
  opened.push(main);
  const keys = await listenForKeys(config, {
    ...{ log, options, mainPort: main.port },
    handler: (req, res) => front.handleKeysOnly(req, res),
    onUpgrade: (upgrade) => front.upgradeKeysOnly(upgrade),
  });
  if (keys) opened.push(keys);
  // The certificate is for the name that clients use, not for this machine's.
  const here = tls && (await openListener({ ...plain, host: '127.0.0.1', port: 0 }, handler, onUpgrade));
  if (here) opened.push(here);
  if (tls) await keepTls(config, { first: tls, opened, closers, log });
  return {
    port: main.port,
    url: here ? `http://127.0.0.1:${here.port}` : localUrl(config, main.port),
    localhostUrl: `${tls ? 'https' : 'http'}://localhost:${main.port}`,
    keysPort: keys?.port,
    ports,
    serve(next) {
      front = next;
      ports.serve({ handle: next.handleServer, upgrade: next.upgradeServer });
    },
    close,
  };
}

interface TlsKeeping {
  readonly first: TlsPair;
  readonly opened: readonly Listener[];
  readonly closers: Closers;
  readonly log: Log;
}

async function keepTls({ http: { tls } }: Config, { first, opened, closers, log }: TlsKeeping): Promise<void> {
  if (!tls) return;
  if (await isOpenToOthers(tls))
    log.warn({ keyFile: tls.keyFile }, 'others on this machine can read the key of the certificate: chmod 600');
  const onChange = (pair: TlsPair) => {
    for (const listener of opened) listener.renewTls(pair);
  };
  const stop = followTlsFiles(tls, { log, first, onChange });
  closers.add('certificate', async () => stop());
}

/** On KEYS_PORT; in a demo with sign-in on the port after its own, if that is free and no host name does it. */
async function listenForKeys(
  config: Config,
  deps: {
    readonly log: Log;
    readonly options: ReturnType<typeof listenerOptions>;
    readonly mainPort: number;
    readonly handler: Handler;
    readonly onUpgrade: (upgrade: Upgrade) => void;
  },
): Promise<Listener | undefined> {
  const options = { ...deps.options, portSetting: 'KEYS_PORT' };
  const { port, keysPort, keysHost } = config.http;
  if (keysPort !== undefined) return openListener({ ...options, port: keysPort }, deps.handler, deps.onUpgrade);
  if (!config.demoSignIn || keysHost !== undefined || deps.mainPort === 65_535) return undefined;
  try {
    return await openListener({ ...options, port: port === 0 ? 0 : deps.mainPort + 1 }, deps.handler, deps.onUpgrade);
  } catch (error) {
    deps.log.warn({ err: error }, 'there is no address for API keys only: set KEYS_PORT to a free port');
    return undefined;
  }
}
