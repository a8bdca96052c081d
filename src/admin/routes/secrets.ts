import { getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { GatehouseError } from '#core/error.ts';

export function secretsHandlers({
  records,
  secrets,
}: AdminDeps): Pick<Handlers, 'getSecrets' | 'rotateSecrets' | 'shredOrganization'> {
  const kept = () => {
    if (!secrets) throw new GatehouseError('not_found', { message: 'Keys are not administered here' });
    return secrets;
  };
  return {
    async getSecrets({ organization: ref }, actor) {
      const organization = ref === undefined ? undefined : await getOrganization(records, actor, ref);
      const slugs = new Map((await records.listOrganizations()).map(({ id, slug }) => [id, slug]));
      const items = await kept().read(organization?.id);
      return {
        kekId: kept().kekId(),
        own: await kept().readOwn(),
        items: items.map(({ org, keys, ...counts }) => ({
          organization: slugs.get(org) ?? org,
          keys: keys.map((key) => ({ ...key })),
          ...counts,
        })),
      };
    },
    async rotateSecrets({ level, organization: ref }, actor) {
      const organization = ref === undefined ? undefined : await getOrganization(records, actor, ref);
      return kept().rotate({ level, org: organization?.id });
    },
    async shredOrganization({ organization: ref, confirm }, actor) {
      const organization = await getOrganization(records, actor, ref);
      if (confirm !== organization.slug)
        throw new GatehouseError('bad_request', { message: `Confirm with its slug, ${organization.slug}` });
      await kept().shred(organization.id);
      return { organization: organization.slug };
    },
  };
}
