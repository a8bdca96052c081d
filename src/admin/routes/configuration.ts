import type { Exported } from '#admin/configuration/export.ts';
import type { ConfigurationPlan, ConfigurationWish } from '#admin/contract/configuration.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';

/** Composed in src/app/configuration.ts. */
export interface Configuration {
  export(): Promise<Exported>;
  /** All in one transaction, kept if `keep`. Throws GatehouseError `bad_request` for what cannot be. */
  apply(wish: ConfigurationWish, keep: boolean): Promise<ConfigurationPlan>;
}

type Names = 'exportConfiguration' | 'planConfiguration' | 'applyConfiguration';

export function configurationHandlers({ configuration }: Pick<AdminDeps, 'configuration'>): Pick<Handlers, Names> {
  const get = (): Configuration => {
    if (configuration) return configuration;
    throw new GatehouseError('not_found', { message: 'Configuration is not kept here' });
  };
  return {
    async exportConfiguration() {
      const { document, variables, leftOut } = await get().export();
      return { document: { ...document }, variables: [...variables], leftOut: [...leftOut] };
    },
    planConfiguration: (wish) => get().apply(wish, false),
    applyConfiguration: (wish) => get().apply(wish, true),
  };
}
