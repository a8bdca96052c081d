/** Removes what gateways left behind that were killed, and what an engine kept although it was told to remove it (SECURITY G9). */
import type { Log } from '#core/log.ts';
import type { Engine } from './engine.ts';
import type { Instance } from './instance.ts';

export const LABEL = 'gatehouse';
export const HOST_LABEL = 'gatehouse.host';
export const SERVER_LABEL = 'gatehouse.server';
export const RUN_LABEL = 'gatehouse.run';

export interface ReaperDeps {
  readonly instance: Instance;
  readonly log: Log;
  /** Whether a container of this process is still wanted. */
  readonly isLive: (run: string) => boolean;
}

/** How many were removed. Throws EngineError. */
export async function reap(engine: Engine, { instance, log, isLive }: ReaperDeps): Promise<number> {
  let removed = 0;
  for (const { id, labels } of await engine.list(`${HOST_LABEL}=${instance.host}`)) {
    const owner = labels[LABEL];
    // Of another data directory, or not ours at all, whatever the engine makes of its filter.
    if (labels[HOST_LABEL] !== instance.host || owner === undefined) continue;
    const isWanted = owner === instance.id ? isLive(labels[RUN_LABEL] ?? '') : instance.isAlive(owner);
    if (isWanted) continue;
    await engine.remove(id);
    removed++;
    log.warn({ container: id, server: labels[SERVER_LABEL] }, 'a container that was left behind is removed');
  }
  return removed;
}
