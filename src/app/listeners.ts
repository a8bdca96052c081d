/** The ports of the gateway: its own, one for API keys only, and those of servers. */
import type { Config } from '#config/load.ts';
import type { Log } from '#core/log.ts';
import { type Handler, type Listener, openListener, type Upgrade } from '#http/server.ts';
import type { Closers } from './closers.ts';
import type { Front } from './front.ts';
import { listenerOptions } from './gateway-settings.ts';
import { openServerPorts, type ServerPorts } from './server-ports.ts';

export interface Listeners {
  readonly port: number;
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
  const options = listenerOptions(config);
  const ports = openServerPorts({ listener: options, given: new Map(Object.entries(config.serverPorts)), log });
  const main = await openListener(
    options,
    (req, res) => front.handle(req, res),
    (upgrade) => front.upgrade(upgrade),
  );
  opened.push(main);
  const keys = await listenForKeys(config, {
    log,
    mainPort: main.port,
    handler: (req, res) => front.handleKeysOnly(req, res),
    onUpgrade: (upgrade) => front.upgradeKeysOnly(upgrade),
  });
  if (keys) opened.push(keys);
  return {
    port: main.port,
    keysPort: keys?.port,
    ports,
    serve(next) {
      front = next;
      ports.serve({ handle: next.handleServer, upgrade: next.upgradeServer });
    },
    close,
  };
}

/** On KEYS_PORT; in a demo with sign-in on the port after its own, if that is free and no host name does it. */
async function listenForKeys(
  config: Config,
  deps: {
    readonly log: Log;
    readonly mainPort: number;
    readonly handler: Handler;
    readonly onUpgrade: (upgrade: Upgrade) => void;
  },
): Promise<Listener | undefined> {
  const options = { ...listenerOptions(config), portSetting: 'KEYS_PORT' };
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
