/** Servers that are run here: the registry of what runs, orders to stop and restart, ports of their own, output. */
import { type LogFollowing, openLogFollowing } from '#admin/log-following.ts';
import type { RunningServers } from '#admin/run-storage.ts';
import type { Log } from '#core/log.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Upstreams } from '#gateway/upstreams.ts';
import type { Runs } from '#runner/runs.ts';
import type { Closers } from './closers.ts';
import { openLiveServers } from './live-servers.ts';
import type { ServerPorts } from './server-ports.ts';
import type { Storage } from './storage.ts';

export interface RunServersDeps {
  readonly storage: Pick<Storage, 'db'>;
  readonly feed: ChangeFeed;
  readonly log: Log;
  readonly closers: Closers;
  readonly runs: Runs;
  readonly ports: ServerPorts;
  readonly upstreams: Pick<Upstreams, 'settle'>;
}

export interface RunServers {
  readonly running: RunningServers;
  readonly following: LogFollowing;
}

export async function openRunServers({ storage, ports, upstreams, ...deps }: RunServersDeps): Promise<RunServers> {
  const { feed, log, closers, runs } = deps;
  const live = await openLiveServers({
    ...{ db: storage.db, feed, log },
    settle(orders) {
      upstreams.settle(new Map(orders.map(({ id, generation }) => [id, generation])));
      return ports.settle(orders);
    },
  });
  closers.add('orders to servers', live.close);
  const following = openLogFollowing(runs);
  closers.add('followed logs', following.close);
  return { running: { runs, settled: live.settled, ports }, following };
}
