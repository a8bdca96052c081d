import { checkMayCommand, checkVariables } from '#admin/commands.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ServerRow } from '#admin/records.ts';
import { asCollectionId } from '#core/ids.ts';
import { removeCollection } from '#records/collections.ts';
import { listVariables, removeVariable } from '#records/server-variables.ts';
import { removeServer, renewServer } from '#records/servers.ts';
import { getOwnRow, getRow, shownRun } from './runs.ts';

type OrderHandlers = Pick<
  Handlers,
  'startRun' | 'stopRun' | 'restartRun' | 'removeRun' | 'listRunVariables' | 'setRunVariables' | 'removeRunVariable'
>;

export function runOrderHandlers(deps: AdminDeps): OrderHandlers {
  const { records, running } = deps;

  /** Answered once it is done here; other replicas hear of it by the change feed. */
  async function order(server: string, change: { readonly active?: boolean }) {
    const { id } = await getRow(records, server);
    await records.asPlatform((scope) => renewServer(scope, id, change));
    await carryOut(id);
    return shownRun(await getRow(records, server), deps);
  }

  async function carryOut(id: ServerRow['id']): Promise<void> {
    await running?.settled();
    await running?.runs.end(id);
  }

  async function variablesOf(id: ServerRow['id']) {
    const items = await records.asPlatform((scope) => listVariables(scope, id));
    return { items: items.map(({ name, updatedAt }) => ({ name, updatedAt: updatedAt.toISOString() })) };
  }

  return {
    startRun: ({ server }) => order(server, { active: true }),
    stopRun: ({ server }) => order(server, { active: false }),
    restartRun: ({ server }) => order(server, {}),
    async removeRun({ server }) {
      const row = await getOwnRow(records, server);
      await removeOwnCollections(deps, row);
      await records.asPlatform((scope) => removeServer(scope, row.id));
      await carryOut(row.id);
      return shownRun({ ...row, active: false }, deps);
    },
    async listRunVariables({ server }) {
      return variablesOf((await getRow(records, server)).id);
    },
    async setRunVariables({ server, variables }, actor) {
      checkMayCommand(actor);
      checkVariables(variables);
      const { id } = await getRow(records, server);
      await records.setVariables(id, variables);
      await carryOut(id);
      return variablesOf(id);
    },
    async removeRunVariable({ server, name }) {
      const { id } = await getRow(records, server);
      await records.asPlatform(async (scope) => {
        await removeVariable(scope, id, name);
        await renewServer(scope, id);
      });
      await carryOut(id);
      return variablesOf(id);
    },
  };
}

/** Those that were made with it, of its name and of nothing but it. */
async function removeOwnCollections({ records }: AdminDeps, { key }: ServerRow): Promise<void> {
  for (const { id: org } of await records.listOrganizations()) {
    const found = (await records.listCollections(org)).find(({ name, managedBy, bindings }) => {
      return name === key && managedBy === 'api' && bindings.length === 1 && bindings[0]?.server === key;
    });
    if (found) await records.within(org, (scope) => removeCollection(scope, asCollectionId(found.id)));
  }
}
