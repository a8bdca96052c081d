import { checkHandedOn, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ProgramClientNoun } from '#admin/nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import type { ProgramClient } from '#records/program-clients.ts';

export function clientHandlers({
  records,
}: AdminDeps): Pick<Handlers, 'listClients' | 'createClient' | 'removeClient'> {
  return {
    async listClients(input, actor) {
      const organization = await getOrganization(records, actor, input.organization);
      const clients = await records.listClients(organization.id);
      return { items: clients.map((client) => shown(client, organization)) };
    },
    async createClient({ organization: ref, jwks, ...input }, actor) {
      const organization = await getOrganization(records, actor, ref);
      checkHandedOn(actor, input.roles);
      // In the name of the whole gateway, towards others: nothing that one organization decides.
      if (actor.kind !== 'platform' && Object.keys(input.assertionAudiences).length > 0) {
        throw new GatehouseError('forbidden', { message: 'Only the platform may allow identity assertions' });
      }
      const { client, secret } = await records.insertClient(organization.id, { ...input, jwks });
      return { secret: secret?.reveal() ?? null, ...shown(client, organization) };
    },
    async removeClient({ organization: ref, id }, actor) {
      const organization = await getOrganization(records, actor, ref);
      return shown(await records.removeClient(organization.id, id), organization);
    },
  };
}

function shown(client: ProgramClient, { slug }: OrganizationRow): ProgramClientNoun {
  return {
    id: client.id,
    name: client.name,
    org: slug,
    grants: [...client.grants],
    scopes: [...client.scopes],
    roles: [...client.roles],
    redirectUris: [...client.redirectUris],
    introspects: [...client.introspects],
    assertionAudiences: { ...client.assertionAudiences },
    authentication: client.jwks ? 'keys' : 'secret',
    createdAt: new Date(client.createdAt).toISOString(),
  };
}
