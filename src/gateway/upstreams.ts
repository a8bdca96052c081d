/** One open upstream per server definition. A changed definition gets a new one; the old one may finish what it began. */
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { ServerTransport } from '#core/transport.ts';
import { lineOf, type ServerDefinition } from '#records/snapshot.ts';

export interface Upstreams {
  get(server: ServerDefinition): Upstream;
  close(): Promise<void>;
}

interface Entry {
  transport: ServerTransport;
  readonly text: string;
  readonly upstream: Upstream;
}

/** How long calls begun under an old definition may go on: no call lives longer by default. */
const RETIRE_MS = 150_000;

export function openUpstreams(open: (target: UpstreamTarget) => Upstream): Upstreams {
  const entries = new Map<string, Entry>();
  const retired = new Map<Upstream, NodeJS.Timeout>();

  function retire(upstream: Upstream): void {
    const timer = setTimeout(() => {
      retired.delete(upstream);
      void upstream.close();
    }, RETIRE_MS);
    timer.unref();
    retired.set(upstream, timer);
  }

  return {
    get(server) {
      const line = lineOf(server);
      const entry = entries.get(line);
      if (entry?.transport === server.transport) return entry.upstream;
      const text = JSON.stringify(server.transport);
      if (entry?.text === text) {
        // The snapshot was rebuilt, the definition is the same: compare by reference from here on.
        entry.transport = server.transport;
        return entry.upstream;
      }
      if (entry) retire(entry.upstream);
      const upstream = open(server);
      entries.set(line, { transport: server.transport, text, upstream });
      return upstream;
    },
    async close() {
      for (const timer of retired.values()) clearTimeout(timer);
      const all = [...retired.keys(), ...[...entries.values()].map(({ upstream }) => upstream)];
      await Promise.all(all.map((upstream) => upstream.close()));
    },
  };
}
