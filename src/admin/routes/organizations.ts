import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Organization } from '#admin/nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { reservedSegments } from '#core/reserved.ts';
import { removeOrganization, updateOrganization } from '#records/organizations.ts';
import { naming } from './naming.ts';

type Names =
  | 'listOrganizations'
  | 'getOrganization'
  | 'createOrganization'
  | 'updateOrganization'
  | 'removeOrganization';

export function organizationHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listOrganizations() {
      return { items: (await records.listOrganizations()).map(shown) };
    },
    async getOrganization({ organization }, actor) {
      return shown(await getOrganization(records, actor, organization));
    },
    async createOrganization({ slug, name, externalId, domain }) {
      for (const taken of [slug, externalId ?? '']) checkOrganizationName(taken);
      return shown(await records.insertOrganization({ slug, name, externalId, domain }));
    },
    async updateOrganization({ organization: ref, ...change }, actor) {
      const { id } = await getOrganization(records, actor, ref);
      checkOrganizationName(change.externalId ?? '');
      return shown(
        await naming('Another organization has this external id or domain', () =>
          records.asPlatform((scope) => updateOrganization(scope, id, change)),
        ),
      );
    },
    async removeOrganization({ organization: ref }, actor) {
      const row = await getOrganization(records, actor, ref);
      await records.asPlatform((scope) => removeOrganization(scope, row.id));
      return shown(row);
    },
  };
}

/** Throws `bad_request` for a first path segment of ours. */
export function checkOrganizationName(name: string): void {
  if (!reservedSegments.has(name.toLowerCase())) return;
  throw new GatehouseError('bad_request', { message: `"${name}" is reserved: choose another slug` });
}

function shown({ id, slug, externalId, name, domain }: OrganizationRow): Organization {
  return { id, slug, externalId: externalId ?? null, name, domain: domain ?? null };
}
