/** The steps of a start that all programs have in common. */
import { asGatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';
import type { ProcessRunner, ProcessSpec } from './process.ts';

export interface Spawning {
  readonly spec: Pick<ProcessSpec, 'env' | 'owner'>;
  readonly runner: Pick<ProcessRunner, 'ready' | 'makeRoom'>;
  /** Sealed variables of the server, looked up at each start. */
  readonly variables?: (() => Promise<Readonly<Record<string, Secret>>>) | undefined;
}

/** What the program gets as environment, once programs can run at all. */
export async function findEnvironment({ spec, runner, variables }: Spawning): Promise<ProcessSpec['env']> {
  const [found] = await Promise.all([variables?.(), runner.ready()]);
  return { ...spec.env, ...found };
}

/** Where the runner is full, an idle program of another server makes room. */
export async function spawnWithRoom<T>({ spec, runner }: Spawning, spawn: () => T): Promise<T> {
  try {
    return spawn();
  } catch (thrown) {
    const error = asGatehouseError(thrown);
    if (error.code !== 'upstream_busy' || !(await runner.makeRoom(spec.owner))) throw error;
    return spawn();
  }
}
