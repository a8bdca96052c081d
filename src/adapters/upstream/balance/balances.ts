/**
 * The addresses of all servers that have several. An address that two definitions of a server share is one: what is known
 * of it, what is under way there and its connections outlive a change. Whoever is in no definition that is current leaves.
 */
import type { Upstream } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import { openBalance } from './balance.ts';
import { BalancedEndpoint, type EjectionSettings } from './endpoint.ts';

export interface BalancedServer {
  /** What is kept apart: the server, and which way to it. */
  readonly line: string;
  /** Key of the server, for the log. */
  readonly label: string;
  /** At least one. */
  readonly urls: readonly string[];
  readonly open: (url: string) => Upstream;
}

export interface Balances {
  open(server: BalancedServer): Upstream;
  /** Sessions of it may still be where another definition put them. */
  knows(line: string): boolean;
}

interface Kept {
  readonly endpoint: BalancedEndpoint;
  holders: number;
}

export interface BalancesDeps {
  readonly settings: EjectionSettings;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
}

export function openBalances({ settings, clock, log, random = Math.random }: BalancesDeps): Balances {
  const servers = new Map<string, Map<string, Kept>>();

  /** As long as one definition holds it, its sessions find it. */
  async function release(line: string, tags: readonly string[]): Promise<void> {
    const kept = servers.get(line);
    const closing: Promise<void>[] = [];
    for (const tag of tags) {
      const one = kept?.get(tag);
      if (!one || --one.holders > 0) continue;
      kept?.delete(tag);
      closing.push(one.endpoint.upstream.close());
    }
    if (kept?.size === 0) servers.delete(line);
    await Promise.all(closing);
  }

  return {
    open({ line, label, urls, open }) {
      const kept = servers.get(line) ?? new Map<string, Kept>();
      servers.set(line, kept);
      for (const { endpoint } of kept.values()) endpoint.isLeaving = true;
      const endpoints = [...new Set(urls)].map((url) => {
        const fresh = new BalancedEndpoint(
          url,
          openLate(() => open(url)),
          { settings, clock, log, label },
        );
        const one = kept.get(fresh.tag) ?? { endpoint: fresh, holders: 0 };
        one.holders++;
        one.endpoint.isLeaving = false;
        kept.set(fresh.tag, one);
        return one.endpoint;
      });
      let isClosed = false;
      return openBalance({
        endpoints,
        find: (tag) => kept.get(tag)?.endpoint,
        clock,
        random,
        async close() {
          if (isClosed) return;
          isClosed = true;
          await release(
            line,
            endpoints.map(({ tag }) => tag),
          );
        },
      });
    },
    knows: (line) => servers.has(line),
  };
}

/** Opened by the first call. */
function openLate(open: () => Upstream): Upstream {
  let upstream: Upstream | undefined;
  return {
    start(call, sink) {
      upstream ??= open();
      return upstream.start(call, sink);
    },
    async close() {
      await upstream?.close();
    },
  };
}
