import type { ServerHealthItem } from '#admin/contract/server-health.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ServerRow } from '#admin/records.ts';
import type { RunnerStatus } from '#admin/run-storage.ts';

/** What the data plane knows of a server. Times in Unix milliseconds. */
export interface KnownServer {
  readonly id: string;
  readonly key: string;
  readonly org: string | undefined;
  readonly kind: string;
  readonly instances: number;
  readonly healthy: number;
  readonly underWay: number;
  readonly waiting: number;
  readonly refused: readonly { readonly org: string; readonly retryAt: number }[];
  readonly checkedAt: number | undefined;
  readonly lastFailure: FailureAt | undefined;
  readonly endpoints: readonly {
    readonly address: string;
    readonly inFlight: number;
    readonly isEjected: boolean;
    readonly ejections: number;
    readonly isLeaving: boolean;
    readonly lastFailure: { readonly code: string; readonly at: number } | undefined;
  }[];
}

interface FailureAt {
  readonly reason: string | number;
  readonly at: number;
}

const nothing = {
  ...{ instances: 1, healthy: 1, underWay: 0, waiting: 0, refused: [], checkedAt: undefined },
  ...{ lastFailure: undefined, endpoints: [] },
};

export function serverHealthHandlers({
  records,
  serverFigures,
  programs,
}: Pick<AdminDeps, 'records' | 'serverFigures' | 'programs'>): Pick<Handlers, 'listServerHealth'> {
  return {
    async listServerHealth() {
      const known = serverFigures?.() ?? [];
      const used = new Set(known.map(({ id }) => id));
      const unused = (await records.listServers())
        .filter(({ id }) => !used.has(id))
        .map(({ id, key, org, transport }) => ({ ...nothing, id, key, org, kind: transport.kind }));
      const items = [...known.map((server) => shown(server, true)), ...unused.map((server) => shown(server, false))];
      const runner = programs ? shownRunner(programs.status()) : null;
      return { items: items.sort((a, b) => a.key.localeCompare(b.key)), runner };
    },
  };
}

const shownRunner = ({ sandbox, running, containers }: RunnerStatus) => ({
  sandbox: { kind: sandbox.kind, state: sandbox.state, reason: sandbox.reason ?? null },
  running,
  containers: {
    engine: containers.engine ?? null,
    reason: containers.reason ?? null,
    running: containers.running,
  },
});

const at = (ms: number) => new Date(ms).toISOString();
const shownFailure = (failure: FailureAt | undefined) =>
  failure ? { reason: String(failure.reason), at: at(failure.at) } : null;

/** `figures`: undefined where nobody called it since this replica runs. */
export function shownHealth(
  { id, key, org, transport }: ServerRow,
  figures: KnownServer | undefined,
): ServerHealthItem {
  return shown(figures ?? { ...nothing, id, key, org, kind: transport.kind }, figures !== undefined);
}

function shown(server: KnownServer, isUsed: boolean): ServerHealthItem {
  const { key, org, kind, instances, healthy, underWay, waiting, refused, checkedAt, lastFailure, endpoints } = server;
  const isWhole = healthy === instances && refused.length === 0;
  return {
    ...{ key, organization: org ?? null, kind, instances, healthy, underWay, waiting },
    state: !isUsed ? 'unused' : healthy === 0 ? 'failing' : isWhole ? 'well' : 'degraded',
    refused: refused.map(({ org: organization, retryAt }) => ({ organization, retryAt: at(retryAt) })),
    lastCheck: checkedAt === undefined ? null : at(checkedAt),
    lastFailure: shownFailure(lastFailure),
    endpoints: endpoints.map(({ address, inFlight, isEjected, ejections, isLeaving, lastFailure: failure }) => ({
      ...{ address, underWay: inFlight, ejected: isEjected, ejections, leaving: isLeaving },
      lastFailure: shownFailure(failure && { reason: failure.code, at: failure.at }),
    })),
  };
}
