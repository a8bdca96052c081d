/** The official client through a balancer: one session, calls that are counted. */
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, buildConnector, fetch as undiciFetch } from 'undici';
import type { Balancer } from './balancers.ts';

export interface Talk {
  /** Milliseconds that the server takes for each. Never rejects. */
  calls(count: number, atOnce: number, takesMs?: number): Promise<Tally>;
  close(): Promise<void>;
}

export interface Tally {
  readonly good: number;
  /** What the others said, each kind once. */
  readonly bad: number;
  readonly reasons: readonly string[];
}

/** A call whose replica was killed is never answered: its client finds out by its own patience. */
const PATIENCE_MS = 5000;

/** The network of a program elsewhere. `hosts`: names that lead to a port of this machine. */
export function network({ ca }: Pick<Balancer, 'ca'>, hosts: Readonly<Record<string, number>> = {}) {
  const connect = buildConnector(ca === undefined ? {} : { ca });
  const agent = new Agent({
    connect(options, done) {
      const port = hosts[options.hostname];
      connect(port === undefined ? options : { ...options, hostname: '127.0.0.1', port: String(port) }, done);
    },
  });
  const through = ((input: string | URL, init?: RequestInit) =>
    undiciFetch(input, { ...(init as object), dispatcher: agent })) as unknown as typeof globalThis.fetch;
  return { fetch: through, close: () => agent.destroy() };
}

/** As a program on another machine: it knows the address of the balancer and a key. */
export async function talk(balancer: Balancer, key: string, path: string): Promise<Talk> {
  const { fetch, close } = network(balancer);
  const client = new Client({ name: 'topology', version: '1.0.0' });
  const transport = new StreamableHTTPClientTransport(new URL(`${balancer.url}${path}`), {
    fetch,
    requestInit: { headers: { Authorization: `Bearer ${key}` } },
  });
  await client.connect(transport);
  const once = async (takesMs: number): Promise<string | undefined> => {
    try {
      const answer = await client.callTool({ name: 'wait', arguments: { ms: takesMs } }, { timeout: PATIENCE_MS });
      return JSON.stringify(answer.content).includes(`waited ${takesMs}`) ? undefined : 'another answer';
    } catch (thrown) {
      return thrown instanceof Error ? thrown.message.slice(0, 120) : String(thrown);
    }
  };
  return {
    async calls(count, atOnce, takesMs = 30) {
      const reasons = new Set<string>();
      let left = count;
      let good = 0;
      const worker = async () => {
        while (left-- > 0) {
          const why = await once(takesMs);
          if (why === undefined) good++;
          else reasons.add(why);
        }
      };
      await Promise.all(Array.from({ length: atOnce }, worker));
      return { good, bad: count - good, reasons: [...reasons] };
    },
    async close() {
      await client.close();
      await close();
    },
  };
}
