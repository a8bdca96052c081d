import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';

export function portalHandlers({ newPortalLink }: AdminDeps): Pick<Handlers, 'createPortalLink'> {
  return {
    async createPortalLink(_input, actor) {
      // Nobody makes of a session that ends one that doesn't, nor of a name none: only whoever holds the data directory.
      const isHolder = actor.kind === 'platform' && actor.userId === undefined && actor.freshUntil === undefined;
      if (!isHolder) throw new GatehouseError('forbidden');
      if (!newPortalLink)
        throw new GatehouseError('not_found', {
          message: 'No gateway runs on this data directory: start it with `gatehouse serve`, then ask again',
        });
      const { url, expiresAt } = await newPortalLink();
      return { url, expiresAt: new Date(expiresAt).toISOString() };
    },
  };
}
