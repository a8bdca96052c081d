/** A real Redis of its own on a free loopback port, that can be stopped, held still and filled. Only where it is installed. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient } from 'redis';

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Any command, by another connection than that of whoever is tested. */
  send(...words: string[]): Promise<unknown>;
  /** It takes no more part, and keeps its connections (SIGSTOP); `resume` lets it go on. */
  hold(): void;
  resume(): void;
  /** Ends at once; `start` begins an empty one on the same port. */
  kill(): Promise<void>;
  start(): Promise<void>;
  close(): Promise<void>;
}

const binary = process.env.REDIS_SERVER ?? 'redis-server';

export const hasRedis: boolean = (() => {
  try {
    execFileSync(binary, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();

export async function startRedis(...settings: string[]): Promise<RedisServer> {
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let child: ChildProcess | undefined;
  const stopWithParent = () => child?.kill('SIGKILL');
  process.once('exit', stopWithParent);

  async function withClient<T>(use: (client: ReturnType<typeof createClient>) => Promise<T>): Promise<T> {
    const client = createClient({ url, socket: { reconnectStrategy: false } });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await use(client as ReturnType<typeof createClient>);
    } finally {
      client.destroy();
    }
  }

  const self: RedisServer = {
    url,
    port,
    send: (...words) => withClient((client) => client.sendCommand(words)),
    hold: () => void child?.kill('SIGSTOP'),
    resume: () => void child?.kill('SIGCONT'),
    async start() {
      child = spawn(
        binary,
        ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', ...settings],
        { stdio: 'ignore' },
      );
      for (let i = 0; i < 200; i++) {
        const up = await self.send('PING').catch(() => undefined);
        if (up === 'PONG') return;
        await pause(25);
      }
      throw new Error('Redis did not start');
    },
    async kill() {
      const ending = child;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const gone = new Promise((resolve) => ending.once('exit', resolve));
      ending.kill('SIGCONT');
      ending.kill('SIGKILL');
      await gone;
    },
    async close() {
      process.off('exit', stopWithParent);
      await self.kill();
    },
  };
  await self.start();
  return self;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0));
    });
  });
}
