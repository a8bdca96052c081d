/** What routes of servers that are run here need of storage, and of what runs on this replica. */
import type { Clock } from '#core/clock.ts';
import { settingError } from '#core/error.ts';
import type { ServerId } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import { Secret } from '#core/secret.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { openVariables, putVariables } from '#records/server-variables.ts';
import { renewServer } from '#records/servers.ts';
import type { PullImage } from '#runner/containers/pulls.ts';
import type { Runs } from '#runner/runs.ts';
import type { SandboxStatus } from '#runner/sandbox/sandbox.ts';

/** Of the gateway that answers; undefined in AdminDeps: none runs. */
export interface RunningServers {
  readonly runs: Pick<Runs, 'list' | 'lastExit' | 'exits' | 'lines' | 'follow' | 'end'>;
  /** Resolves when what was ordered before the call is done on this replica. */
  settled(): Promise<void>;
  readonly ports: {
    portOf(key: string): number | undefined;
    problemOf(key: string): string | undefined;
  };
}

export interface RunnerStatus {
  /** `none`: programs run with the rights of the gateway, by the operator's word or in the demo. */
  readonly sandbox: SandboxStatus | { readonly kind: 'none'; readonly state: 'ready'; readonly reason?: string };
  /** Programs that run now. */
  readonly running: number;
  readonly containers: {
    readonly engine: string | undefined;
    readonly reason: string | undefined;
    readonly running: number;
  };
}

/** Where programs and containers run. */
export interface ProgramsHere {
  status(): RunnerStatus;
  readonly pullImage: PullImage;
}

export interface RunRecords {
  /** In one transaction with the order to restart. Throws `setting` where there is nothing to seal with. */
  setVariables(server: ServerId, values: Readonly<Record<string, string>>): Promise<void>;
  /** For whoever starts programs. */
  readonly findVariables: (server: ServerId) => Promise<Readonly<Record<string, Secret>>>;
}

interface RunStorageDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly sealer?: Sealer;
}

export function runRecords({ db, clock, sealer }: RunStorageDeps): RunRecords {
  const getSealer = () => {
    if (!sealer) throw settingError('A variable cannot be kept here');
    return sealer;
  };
  return {
    async setVariables(server, given) {
      const values = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, new Secret(value)]));
      await withPlatform(db, async (scope) => {
        await putVariables(scope, server, { values, sealer: getSealer(), clock });
        await renewServer(scope, server);
      });
    },
    findVariables: (server) => openVariables(db, getSealer())(server),
  };
}
