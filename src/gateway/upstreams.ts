/**
 * One open upstream per server definition. A changed definition gets a new one; the old one may finish what it began. An
 * order to stop or restart (the generation) lets nothing finish.
 */
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { ServerTransport } from '#core/transport.ts';
import { lineOf, type ServerDefinition } from '#records/snapshot.ts';

export interface Upstreams {
  /** `org`: for whom. Throws GatehouseError `upstream_unreachable` for a definition that `settle` has overtaken. */
  get(server: ServerDefinition, org?: OrgId): Upstream;
  /** Not opened by looking. */
  find(server: ServerDefinition): Upstream | undefined;
  list(): readonly OpenServer[];
  /** What the platform's servers are by now (id → generation; none: it was removed): what is of another one ends at once. */
  settle(orders: ReadonlyMap<string, number>): void;
  /**
   * What an organization has was renewed: a server that it has no longer, or that is switched off there, and that nobody
   * else uses, is closed. What was under way is answered by then (`live-calls.ts`).
   */
  renewed(org: OrgId, isOpen: (server: ServerId) => boolean): void;
  close(): Promise<void>;
}

export interface OpenServer {
  readonly line: string;
  readonly server: ServerDefinition;
  readonly upstream: Upstream;
}

export interface UpstreamsOptions {
  /** Milliseconds. */
  readonly retireMs?: number;
  readonly drainMs?: number;
}

interface Entry {
  transport: ServerTransport;
  readonly server: ServerDefinition;
  /** Who called it. */
  readonly users: Set<OrgId>;
  readonly text: string;
  readonly upstream: Upstream;
}

/** How long calls begun under an old definition may go on: no call lives longer by default. */
const RETIRE_MS = 150_000;
/** How long answers to what was cut may take to reach their callers. */
const DRAIN_MS = 5000;

const generationOf = ({ generation = 0 }: ServerDefinition): number => generation;

export function openUpstreams(
  open: (target: UpstreamTarget) => Upstream,
  { retireMs = RETIRE_MS, drainMs = DRAIN_MS }: UpstreamsOptions = {},
): Upstreams {
  const entries = new Map<string, Entry>();
  const retired = new Map<Upstream, { readonly timer: NodeJS.Timeout; readonly entry: Entry }>();
  let orders: ReadonlyMap<string, number> = new Map();

  function retire(entry: Entry, ms: number): void {
    const { upstream } = entry;
    const timer = setTimeout(() => {
      retired.delete(upstream);
      void upstream.close();
    }, ms);
    timer.unref();
    retired.set(upstream, { timer, entry });
  }

  function openNew(line: string, server: ServerDefinition, users: Set<OrgId>): Upstream {
    const { id, org, transport } = server;
    // Of a call that holds a snapshot from before the order: it must not start again what was just ended.
    if (org === undefined && generationOf(server) < (orders.get(id) ?? 0)) {
      throw new GatehouseError('upstream_unreachable');
    }
    const upstream = open(server);
    entries.set(line, { transport, server, users, text: JSON.stringify(transport), upstream });
    return upstream;
  }

  function replace(line: string, server: ServerDefinition, entry: Entry): Upstream {
    entries.delete(line);
    if (generationOf(entry.server) === generationOf(server)) retire(entry, retireMs);
    else void entry.upstream.close();
    return openNew(line, server, entry.users);
  }

  return {
    get(server, org) {
      const line = lineOf(server);
      const entry = entries.get(line);
      if (!entry) return openNew(line, server, new Set(org === undefined ? [] : [org]));
      if (org !== undefined) entry.users.add(org);
      const ahead = generationOf(server) - generationOf(entry.server);
      // Of a snapshot that is older than what runs.
      if (ahead < 0) return entry.upstream;
      if (ahead === 0 && entry.transport === server.transport) return entry.upstream;
      if (ahead > 0 || entry.text !== JSON.stringify(server.transport)) return replace(line, server, entry);
      // The snapshot was rebuilt, the definition is the same: compare by reference from here on.
      entry.transport = server.transport;
      return entry.upstream;
    },
    find: (server) => entries.get(lineOf(server))?.upstream,
    list: () => [...entries].map(([line, { server, upstream }]) => ({ line, server, upstream })),
    settle(now) {
      orders = now;
      const isOver = ({ server }: Entry) =>
        server.org === undefined && generationOf(server) < (now.get(server.id) ?? Number.POSITIVE_INFINITY);
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
    renewed(org, isOpen) {
      for (const [line, entry] of entries) {
        const { server, users } = entry;
        if (!users.has(org) || isOpen(server.id)) continue;
        users.delete(org);
        if (users.size > 0) continue;
        entries.delete(line);
        retire(entry, drainMs);
      }
    },
    async close() {
      for (const { timer } of retired.values()) clearTimeout(timer);
      const all = [...retired.keys(), ...[...entries.values()].map(({ upstream }) => upstream)];
      await Promise.all(all.map((upstream) => upstream.close()));
    },
  };
}
