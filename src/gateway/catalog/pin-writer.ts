/** Writes what was seen of tools to the database: one batch at a time, the latest of each tool, bounded. */
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import type { PinSighting } from '#records/tool-pins.ts';
import type { PinDeps } from './pins.ts';

export interface PinWriter {
  add(org: OrgId, sightings: readonly PinSighting[]): void;
  /** Not written yet. */
  waiting(org: OrgId): Iterable<PinSighting>;
  close(): Promise<void>;
}

const batchSize = 200;

/** What failed is tried again with the next sighting or on `close`: nothing depends on it being written soon. */
export function openPinWriter({ save, log, maxWaiting = 10_000 }: PinDeps): PinWriter {
  const waiting = new Map<OrgId, Map<string, PinSighting>>();
  let running: Promise<void> | undefined;
  let dropped = 0;

  const writeOrganization = async (org: OrgId, own: Map<string, PinSighting>) => {
    while (own.size > 0) {
      const batch = [...own].slice(0, batchSize);
      await saveBatch(
        org,
        batch.map(([, sighting]) => sighting),
      );
      for (const [key, sighting] of batch) if (own.get(key) === sighting) own.delete(key);
    }
    waiting.delete(org);
  };
  const saveBatch = async (org: OrgId, batch: readonly PinSighting[]): Promise<void> => {
    try {
      await save(org, batch);
    } catch (error) {
      if (!(error instanceof GatehouseError && error.code === 'not_found')) throw error;
      // Its server or organization is gone: nothing is to be remembered of it, of the others it is.
      if (batch.length > 1) for (const sighting of batch) await saveBatch(org, [sighting]);
    }
  };
  const writeAll = async () => {
    for (const [org, own] of [...waiting]) {
      try {
        await writeOrganization(org, own);
      } catch (error) {
        log.error({ org, err: error }, 'what was seen of tools cannot be written: it is kept');
      }
    }
  };
  const run = () => {
    running ??= writeAll().finally(() => {
      running = undefined;
    });
    return running;
  };
  const count = () => [...waiting.values()].reduce((sum, each) => sum + each.size, 0);

  return {
    add(org, sightings) {
      if (sightings.length === 0) return;
      const own = waiting.get(org) ?? new Map<string, PinSighting>();
      waiting.set(org, own);
      let room = maxWaiting - count();
      for (const sighting of sightings) {
        const key = JSON.stringify([sighting.server, sighting.partition, sighting.tool, sighting.as]);
        if (!own.has(key) && room-- <= 0) dropped += 1;
        else own.set(key, sighting);
      }
      if (dropped > 0) log.error({ dropped }, 'too much was seen of tools to be written: some is left out');
      dropped = 0;
      void run();
    },
    waiting: (org) => waiting.get(org)?.values() ?? [],
    async close() {
      await running;
      await run();
    },
  };
}
