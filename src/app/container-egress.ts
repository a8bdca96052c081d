/** The way out of containers whose network is a list of hosts: a socket of the gateway for each such server. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '#core/clock.ts';
import type { ServerId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Egress } from '#http/egress.ts';
import type { EgressSocket } from '#runner/containers/container-runner.ts';
import { openEgressProxy } from '#runner/sandbox/egress-proxy.ts';

export interface ContainerEgress {
  readonly socket: EgressSocket;
  close(): void;
}

interface Way {
  readonly hosts: string;
  readonly path: string;
  readonly close: () => void;
}

export interface ContainerEgressDeps {
  readonly clock: Clock;
  readonly egress: Pick<Egress, 'guard' | 'proxyFor'>;
  readonly log: Log;
}

export function openContainerEgress(deps: ContainerEgressDeps): ContainerEgress {
  const ways = new Map<ServerId, Way>();
  let folder: string | undefined;
  let made = 0;
  return {
    async socket({ id, key }, allow) {
      const hosts = JSON.stringify(allow);
      const open = ways.get(id);
      if (open?.hosts === hosts) return open.path;
      // Another list holds at once, for containers that are still there, too.
      open?.close();
      // Nobody else may enter it; short, because the path of a socket may have 107 bytes only.
      folder ??= mkdtempSync(join(tmpdir(), 'gatehouse-e'));
      const path = join(folder, String(++made));
      const close = openEgressProxy({ ...deps, path, allow, server: key, writableAll: true });
      ways.set(id, { hosts, path, close });
      return path;
    },
    close() {
      for (const { close } of ways.values()) close();
      if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
