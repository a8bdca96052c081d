/** One open upstream per server definition. A changed definition gets a new one; the old one may finish what it began. */
import type { Upstream, UpstreamTarget } from '#adapters/upstream/upstream.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { ServerTransport } from '#core/transport.ts';
import { lineOf, type ServerDefinition } from '#records/snapshot.ts';

export interface Upstreams {
  /** `org`: for whom. */
  get(server: ServerDefinition, org?: OrgId): Upstream;
  /** Not opened by looking. */
  find(server: ServerDefinition): Upstream | undefined;
  list(): readonly OpenServer[];
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

export function openUpstreams(
  open: (target: UpstreamTarget) => Upstream,
  { retireMs = RETIRE_MS, drainMs = DRAIN_MS }: UpstreamsOptions = {},
): Upstreams {
  const entries = new Map<string, Entry>();
  const retired = new Map<Upstream, NodeJS.Timeout>();

  function retire(upstream: Upstream, ms: number): void {
    const timer = setTimeout(() => {
      retired.delete(upstream);
      void upstream.close();
    }, ms);
    timer.unref();
    retired.set(upstream, timer);
  }

  return {
    get(server, org) {
      const line = lineOf(server);
      const entry = entries.get(line);
      if (entry && org !== undefined) entry.users.add(org);
      if (entry?.transport === server.transport) return entry.upstream;
      const text = JSON.stringify(server.transport);
      if (entry?.text === text) {
        // The snapshot was rebuilt, the definition is the same: compare by reference from here on.
        entry.transport = server.transport;
        return entry.upstream;
      }
      if (entry) retire(entry.upstream, retireMs);
      const upstream = open(server);
      const users = entry?.users ?? new Set(org === undefined ? [] : [org]);
      entries.set(line, { transport: server.transport, server, users, text, upstream });
      return upstream;
    },
    find: (server) => entries.get(lineOf(server))?.upstream,
    list: () => [...entries].map(([line, { server, upstream }]) => ({ line, server, upstream })),
    renewed(org, isOpen) {
      for (const [line, { server, users, upstream }] of entries) {
        if (!users.has(org) || isOpen(server.id)) continue;
        users.delete(org);
        if (users.size > 0) continue;
        entries.delete(line);
        retire(upstream, drainMs);
      }
    },
    async close() {
      for (const timer of retired.values()) clearTimeout(timer);
      const all = [...retired.keys(), ...[...entries.values()].map(({ upstream }) => upstream)];
      await Promise.all(all.map((upstream) => upstream.close()));
    },
  };
}
