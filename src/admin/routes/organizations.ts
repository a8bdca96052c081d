import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Organization } from '#admin/nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { reservedSegments } from '#core/reserved.ts';

export function organizationHandlers({
  records,
}: AdminDeps): Pick<Handlers, 'listOrganizations' | 'createOrganization'> {
  return {
    async listOrganizations() {
      return { items: (await records.listOrganizations()).map(shown) };
    },
    async createOrganization({ slug, name, externalId }) {
      for (const taken of [slug, externalId ?? '']) checkOrganizationName(taken);
      return shown(await records.insertOrganization({ slug, name, externalId }));
    },
  };
}

/** Throws `bad_request` for a first path segment of ours. */
export function checkOrganizationName(name: string): void {
  if (!reservedSegments.has(name.toLowerCase())) return;
  throw new GatehouseError('bad_request', { message: `"${name}" is reserved: choose another slug` });
}

function shown({ id, slug, externalId, name }: OrganizationRow): Organization {
  return { id, slug, externalId: externalId ?? null, name };
}
