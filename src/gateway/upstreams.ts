/**
 * One open upstream per server definition. A changed definition gets a new one; the old one may finish what it began. An
 * order to stop or restart (the generation) lets nothing finish.
 */
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { ServerTransport } from '#core/transport.ts';
import { lineOf, type ServerDefinition } from '#records/snapshot.ts';

export interface Upstreams {
  /** Throws GatehouseError `upstream_unreachable` for a definition that `settle` has overtaken. */
  get(server: ServerDefinition): Upstream;
  /** What the platform's servers are by now (id → generation; none: it was removed): what is of another one ends at once. */
  settle(orders: ReadonlyMap<string, number>): void;
  close(): Promise<void>;
}

interface Entry {
  transport: ServerTransport;
  readonly text: string;
  readonly upstream: Upstream;
  readonly server: Pick<ServerDefinition, 'id' | 'org'>;
  readonly generation: number;
}

/** How long calls begun under an old definition may go on: no call lives longer by default. */
const RETIRE_MS = 150_000;

export function openUpstreams(open: (target: UpstreamTarget) => Upstream): Upstreams {
  const entries = new Map<string, Entry>();
  const retired = new Map<Upstream, { readonly timer: NodeJS.Timeout; readonly entry: Entry }>();
  let orders: ReadonlyMap<string, number> = new Map();

  function retire(entry: Entry): void {
    const { upstream } = entry;
    const timer = setTimeout(() => {
      retired.delete(upstream);
      void upstream.close();
    }, RETIRE_MS);
    timer.unref();
    retired.set(upstream, { timer, entry });
  }

  function openNew(line: string, server: ServerDefinition): Upstream {
    const { id, org, transport, generation = 0 } = server;
    // Of a call that holds a snapshot from before the order: it must not start again what was just ended.
    if (org === undefined && generation < (orders.get(id) ?? 0)) throw new GatehouseError('upstream_unreachable');
    const upstream = open(server);
    entries.set(line, { transport, text: textOf(server), upstream, server: { id, org }, generation });
    return upstream;
  }

  return {
    get(server) {
      const line = lineOf(server);
      const entry = entries.get(line);
      const { generation = 0 } = server;
      if (entry?.transport === server.transport && entry.generation === generation) return entry.upstream;
      if (entry && entry.generation === generation && entry.text === textOf(server)) {
        // The snapshot was rebuilt, the definition is the same: compare by reference from here on.
        entry.transport = server.transport;
        return entry.upstream;
      }
      // Of a snapshot that is older than what runs.
      if (entry && generation < entry.generation) return entry.upstream;
      if (entry) {
        entries.delete(line);
        if (entry.generation === generation) retire(entry);
        else void entry.upstream.close();
      }
      return openNew(line, server);
    },
    settle(now) {
      orders = now;
      const isOver = ({ server, generation }: Entry) =>
        server.org === undefined && generation < (now.get(server.id) ?? Number.POSITIVE_INFINITY);
      for (const [line, entry] of entries) {
        if (!isOver(entry)) continue;
        entries.delete(line);
        void entry.upstream.close();
      }
      for (const [upstream, { timer, entry }] of retired) {
        if (!isOver(entry)) continue;
        clearTimeout(timer);
        retired.delete(upstream);
        void upstream.close();
      }
    },
    async close() {
      for (const { timer } of retired.values()) clearTimeout(timer);
      const all = [...retired.keys(), ...[...entries.values()].map(({ upstream }) => upstream)];
      await Promise.all(all.map((upstream) => upstream.close()));
    },
  };
}

const textOf = ({ transport }: Pick<ServerDefinition, 'transport'>): string => JSON.stringify(transport);
