import { checkMayCommand } from '#admin/commands.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';

/** Below what clients and proxies wait for an answer. */
const WAIT_MS = 20_000;

export function imageHandlers({ programs }: Pick<AdminDeps, 'programs'>): Pick<Handlers, 'pullImage'> {
  return {
    async pullImage({ image }, actor) {
      checkMayCommand(actor);
      if (!programs) throw new GatehouseError('bad_request', { message: 'No gateway runs here: start it first' });
      const { state, progress, id, digests } = await programs.pullImage(image, WAIT_MS);
      return { state, progress: progress ?? null, id: id ?? null, digests: [...digests] };
    },
  };
}
