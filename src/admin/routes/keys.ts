import { checkHandedOn, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ApiKey } from '#admin/nouns.ts';
import type { KeyRow, OrganizationRow } from '#admin/records.ts';
import { GatehouseError } from '#core/error.ts';
import { asKeyId } from '#core/ids.ts';
import { pageKeys } from '#records/keys.ts';
import { getServiceAccount } from '#records/service-accounts.ts';

export function keyHandlers({ records, clock }: AdminDeps): Pick<Handlers, 'listKeys' | 'createKey' | 'revokeKey'> {
  return {
    async listKeys({ organization: ref, ...wish }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const { items, next } = await records.within(organization.id, (scope) =>
        pageKeys(scope, { ...wish, nowMs: clock.now() }),
      );
      return { items: items.map((row) => shown(row, organization)), next };
    },
    async createKey({ organization: ref, name, roles, endpoints, serviceAccount, expiresInSeconds }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const account =
        serviceAccount === undefined
          ? undefined
          : await records.asPlatform((scope) => getServiceAccount(scope, organization.id, serviceAccount));
      checkHandedOn(actor, [...roles, ...(account?.roles ?? [])]);
      const expiresAt = expiresInSeconds === undefined ? undefined : clock.now() + expiresInSeconds * 1000;
      const { row, text } = await records.insertKey(organization.id, {
        ...{ name, roles, endpoints, expiresAt },
        userId: account?.id,
      });
      return { key: text.reveal(), ...fields(row, organization) };
    },
    async revokeKey({ organization: ref, id }, actor) {
      const organization = await getOrganization(records, actor, ref);
      const row = await records.revokeKey(organization.id, asKeyId(id));
      if (!row)
        throw new GatehouseError('not_found', { message: 'There is no such key: list them with `gatehouse key list`' });
      return shown(row, organization);
    },
  };
}

function shown(row: KeyRow, organization: OrganizationRow): ApiKey {
  return { ...fields(row, organization), last4: row.last4, revokedAt: time(row.revokedAt) };
}

function fields({ id, name, roles, endpoints, expiresAt, createdAt, userId }: KeyRow, { slug }: OrganizationRow) {
  return {
    id,
    name,
    org: slug,
    roles: [...roles],
    endpoints: endpoints ? [...endpoints] : null,
    serviceAccount: userId ?? null,
    expiresAt: time(expiresAt),
    createdAt: new Date(createdAt).toISOString(),
  };
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}
