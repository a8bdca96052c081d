import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { Secret } from '#core/secret.ts';
import { addressGuard } from '#http/address-guard.ts';
import { checkTarget } from '#http/check-target.ts';
import type { ServerRouteRecord } from '#records/server-routes.ts';

type Names = 'listCredentials' | 'setCredential' | 'removeCredential';

export function credentialHandlers({ records, guard }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listCredentials({ organization: ref, server }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const rows = await records.listCredentials(organization.id);
      return { items: rows.filter((row) => server === undefined || row.server === server).map(shown) };
    },
    async setCredential({ organization: ref, url: entered, credential: value, ...input }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const url = entered === undefined ? undefined : await checkTarget(guard ?? addressGuard(), entered);
      const credential = value === undefined ? undefined : new Secret(value);
      return shown(await records.putCredential(organization.id, { ...input, url, credential }));
    },
    async removeCredential({ organization: ref, ...target }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return shown(await records.removeCredential(organization.id, target));
    },
  };
}

function shown({ server, group, keyName, credential, header, url, updatedAt }: ServerRouteRecord) {
  return {
    server,
    group: group ?? null,
    keyName,
    configured: credential !== undefined,
    header: header?.name ?? null,
    url: url ?? null,
    updatedAt: new Date(updatedAt).toISOString(),
  };
}
