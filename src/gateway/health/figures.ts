/** How each server is, as this replica knows it: for operators. Nothing is asked and nothing is kept beside the last failure. */
import { LRUCache } from 'lru-cache';
import type { Endpoint } from '#adapters/upstream/upstream.ts';
import type { Clock } from '#core/clock.ts';
import type { OrgId, ServerId } from '#core/ids.ts';
import type { Breakers, Reason, Verdict } from '#gateway/breakers.ts';
import type { Bulkheads } from '#gateway/bulkheads.ts';
import type { Upstreams } from '#gateway/upstreams.ts';
import { countEndpoints, type Health } from './health.ts';

export interface ServerFigures {
  readonly id: ServerId;
  readonly key: string;
  /** Whose own server it is; undefined: the platform's. */
  readonly org: OrgId | undefined;
  readonly kind: string;
  readonly instances: number;
  /** Addresses that are well, whatever single organizations' breakers say. */
  readonly healthy: number;
  /** Calls of all organizations, */
  readonly underWay: number;
  /** and those that wait for a place. */
  readonly waiting: number;
  /** Organizations whose calls are refused for a while. */
  readonly refused: readonly { readonly org: OrgId; readonly isTried: boolean; readonly retryAt: number }[];
  /** Unix milliseconds of the newest answer or silence. */
  readonly checkedAt: number | undefined;
  readonly lastFailure: Failure | undefined;
  readonly endpoints: readonly Omit<Endpoint, 'upstream' | 'eject'>[];
}

export interface Failure {
  readonly org: OrgId;
  readonly reason: Reason;
  /** Unix milliseconds. */
  readonly at: number;
}

export interface Figures {
  heard(org: OrgId, line: string, verdict: Verdict, reason: Reason | undefined): void;
  /** Of the servers that were called since this replica runs. */
  list(): readonly ServerFigures[];
  readonly totals: Totals;
}

export interface Totals {
  /** Addresses of servers that have several, */
  readonly endpoints: number;
  /** those of them that fail, */
  readonly ejected: number;
  /** how often any did, */
  readonly ejections: number;
  /** and servers whose calls are refused for at least one organization. */
  readonly refusing: number;
}

export interface FiguresDeps {
  readonly clock: Clock;
  readonly upstreams: Pick<Upstreams, 'list'>;
  readonly breakers: () => Pick<Breakers, 'list'>;
  readonly bulkheads: Pick<Bulkheads, 'at'>;
  readonly health: Pick<Health, 'checkedAt'>;
}

const idOf = (line: string) => line.split(' ', 1)[0] ?? line;

export function openFigures({ clock, upstreams, breakers, bulkheads, health }: FiguresDeps): Figures {
  const failures = new LRUCache<string, Failure>({ max: 5000 });

  function refusedAt(id: string): ServerFigures['refused'] {
    return breakers()
      .list()
      .filter(({ server }) => idOf(server) === id)
      .map(({ org, isTried, leftMs }) => ({ org, isTried, retryAt: clock.now() + leftMs }));
  }

  function figuresOf({ line, server, upstream }: ReturnType<Upstreams['list']>[number]): ServerFigures {
    const { id, key, org, transport } = server;
    const endpoints = upstream.endpoints?.();
    const { instances, well } = countEndpoints(server, endpoints);
    const { underWay, waiting } = bulkheads.at(id);
    return {
      ...{ id, key, org, kind: transport.kind, instances, healthy: well, underWay, waiting },
      refused: refusedAt(id),
      checkedAt: health.checkedAt(line),
      lastFailure: failures.get(id),
      endpoints: (endpoints ?? []).map(shownEndpoint),
    };
  }

  return {
    heard(org, line, verdict, reason) {
      if (verdict === 'failed' && reason !== undefined) failures.set(idOf(line), { org, reason, at: clock.now() });
    },
    list: () => upstreams.list().map(figuresOf),
    get totals() {
      const endpoints = upstreams.list().flatMap(({ upstream }) => upstream.endpoints?.() ?? []);
      return {
        endpoints: endpoints.length,
        ejected: endpoints.filter(({ isEjected }) => isEjected).length,
        ejections: endpoints.reduce((sum, { ejections }) => sum + ejections, 0),
        refusing: new Set(
          breakers()
            .list()
            .map(({ server }) => idOf(server)),
        ).size,
      };
    },
  };
}

function shownEndpoint({ address, inFlight, isEjected, ejections, isLeaving, lastFailure }: Endpoint) {
  return { address, inFlight, isEjected, ejections, isLeaving, lastFailure };
}
