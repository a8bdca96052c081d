import type { Actor } from '#admin/actor.ts';
import { canonical } from '#admin/canonical.ts';
import { checkDefinition, checkMayCommand, checkVariables } from '#admin/commands.ts';
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

export function configurationHandlers({
  configuration,
  records,
}: Pick<AdminDeps, 'configuration' | 'records'>): Pick<Handlers, Names> {
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
    async applyConfiguration(wish, actor) {
      await checkPrograms(actor, wish, records);
      return get().apply(wish, true);
    },
  };
}

/**
 * What is run here, and which files of this machine are read, is said by whoever holds its data directory (SECURITY G1):
 * anybody else leaves it as it is. Throws `forbidden`, `bad_request`.
 */
async function checkPrograms(
  actor: Actor,
  { document }: ConfigurationWish,
  records: AdminDeps['records'],
): Promise<void> {
  const known = new Map((await records.listServers()).map((row) => [row.key, row.transport]));
  for (const { key, transport, tls, variables } of document.servers) {
    const is = known.get(key);
    if (variables !== undefined) {
      checkMayCommand(actor);
      checkVariables(Object.fromEntries(Object.entries(variables).map(([name, value]) => [name, value.reveal()])));
    }
    const isSame = transport !== undefined && canonical(is) === canonical(tls ? { ...transport, tls } : transport);
    if (isSame) continue;
    if (tls !== undefined) checkMayCommand(actor);
    if (transport !== undefined) checkDefinition(actor, transport);
  }
}
