/** Ports of single servers (`--proxy-port`, `MCP_PORT_<SERVER>`): listeners that come and go while the gateway runs. */
import { asGatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { type Handler, type Listener, type ListenerOptions, openListener, type Upgrade } from '#http/server.ts';
import type { ServerOrder } from '#records/servers.ts';

export interface ServerPorts {
  readonly isEmpty: boolean;
  /** By port: the key of the server that answers there. */
  find(port: number): string | undefined;
  /** undefined: it has no port of its own. */
  portOf(key: string): number | undefined;
  /** Why a wanted port is not open. */
  problemOf(key: string): string | undefined;
  /** Opens and closes listeners; a port that cannot be opened is said and keeps nothing else from opening. */
  settle(orders: readonly Pick<ServerOrder, 'key' | 'port'>[]): Promise<void>;
  /** From now on requests are answered. */
  serve(front: ServerFront): void;
  close(deadlineMs: number): Promise<void>;
}

export interface ServerFront {
  readonly handle: (req: Parameters<Handler>[0], res: Parameters<Handler>[1], name: string) => void;
  readonly upgrade: (upgrade: Upgrade, name: string) => void;
}

export interface ServerPortsOptions {
  readonly listener: ListenerOptions;
  /** Of the environment: over what a server's definition says. */
  readonly given: ReadonlyMap<string, number>;
  /** By key: where its port listens; left out: where the gateway does. */
  readonly hosts?: ReadonlyMap<string, string>;
  readonly log: Log;
}

interface Open {
  readonly key: string;
  readonly listener: Listener;
}

/** In-flight calls of a server whose port is taken away. */
const CLOSE_MS = 5000;

export function openServerPorts({ listener: options, given, hosts, log }: ServerPortsOptions): ServerPorts {
  const open = new Map<number, Open>();
  const problems = new Map<string, string>();
  let front: ServerFront | undefined;
  let closed = false;

  async function listen(key: string, port: number): Promise<void> {
    const handle: Handler = (req, res) =>
      front ? front.handle(req, res, key) : void res.writeHead(503, { 'Retry-After': '1' }).end();
    const onUpgrade = (upgrade: Upgrade) =>
      front ? front.upgrade(upgrade, key) : void upgrade.res.writeHead(503, { 'Retry-After': '1' }).end();
    try {
      const portSetting = `the port of the server ${key}`;
      open.set(port, {
        key,
        listener: await openListener(
          { ...options, host: hosts?.get(key) ?? options.host, port, portSetting },
          handle,
          onUpgrade,
        ),
      });
      problems.delete(key);
      log.info({ server: key, port }, 'a server has a port of its own');
    } catch (thrown) {
      const { message } = asGatehouseError(thrown);
      if (problems.get(key) !== message) log.error({ server: key, port, err: thrown }, message);
      problems.set(key, message);
    }
  }

  return {
    get isEmpty() {
      return open.size === 0;
    },
    find: (port) => open.get(port)?.key,
    portOf: (key) => [...open].find(([, one]) => one.key === key)?.[0],
    problemOf: (key) => problems.get(key),
    async settle(orders) {
      if (closed) return;
      const wanted = wantedPorts(orders, given);
      for (const [port, { key, listener }] of open) {
        if (wanted.get(port) === key) continue;
        open.delete(port);
        await listener.close(CLOSE_MS);
      }
      for (const key of problems.keys()) if (![...wanted.values()].includes(key)) problems.delete(key);
      for (const [port, key] of wanted) if (!open.has(port)) await listen(key, port);
    },
    serve(next) {
      front = next;
    },
    async close(deadlineMs) {
      closed = true;
      await Promise.all([...open.values()].map(({ listener }) => listener.close(deadlineMs)));
      open.clear();
    },
  };
}

/** Of two servers that want the same port, the one that the environment names has it. */
function wantedPorts(
  orders: readonly Pick<ServerOrder, 'key' | 'port'>[],
  given: ReadonlyMap<string, number>,
): ReadonlyMap<number, string> {
  const wanted = new Map<number, string>();
  for (const { key, port } of orders) if (port !== undefined && !given.has(key)) wanted.set(port, key);
  for (const { key } of orders) {
    const port = given.get(key);
    if (port !== undefined) wanted.set(port, key);
  }
  return wanted;
}
