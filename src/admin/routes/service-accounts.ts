import { type Actor, checkHandedOn, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { ServiceAccountNoun } from '#admin/people-nouns.ts';
import type { PlatformScope } from '#db/scope.ts';
import {
  getServiceAccount,
  insertServiceAccount,
  insertWorkload,
  listServiceAccounts,
  removeServiceAccount,
  removeWorkload,
  type ServiceAccount,
  updateServiceAccount,
} from '#records/service-accounts.ts';
import { naming } from './naming.ts';

type Names =
  | 'listServiceAccounts'
  | 'createServiceAccount'
  | 'updateServiceAccount'
  | 'removeServiceAccount'
  | 'trustWorkload'
  | 'distrustWorkload';

export function serviceAccountHandlers({ records }: AdminDeps): Pick<Handlers, Names> {
  /** The account as it is after `work`; nobody touches one that may do more than they. */
  const change = async (
    { organization: ref, account: name }: { readonly organization: string; readonly account: string },
    actor: Actor,
    work: (scope: PlatformScope, account: ServiceAccount) => Promise<ServiceAccount>,
  ) => {
    const { id, slug } = await getOrganization(records, actor, ref);
    const made = await naming('This workload is trusted already', () =>
      records.asPlatform(async (scope) => {
        const account = await getServiceAccount(scope, id, name);
        checkHandedOn(actor, account.roles);
        return work(scope, account);
      }),
    );
    return shown(made, slug);
  };
  const renewed = (scope: PlatformScope, { org, id }: ServiceAccount) => getServiceAccount(scope, org, id);
  return {
    async listServiceAccounts({ organization: ref }, actor) {
      const { id, slug } = await getOrganization(records, actor, ref);
      const accounts = await records.asPlatform((scope) => listServiceAccounts(scope, id));
      return { items: accounts.map((account) => shown(account, slug)) };
    },
    async createServiceAccount({ organization: ref, name, roles }, actor) {
      const { id: org, slug } = await getOrganization(records, actor, ref);
      checkHandedOn(actor, roles);
      return shown(await records.asPlatform((scope) => insertServiceAccount(scope, { org, name, roles })), slug);
    },
    updateServiceAccount: ({ name, roles, active, ...which }, actor) => {
      checkHandedOn(actor, roles ?? []);
      return change(which, actor, (scope, account) => updateServiceAccount(scope, account, { name, roles, active }));
    },
    removeServiceAccount: (input, actor) =>
      change(input, actor, async (scope, account) => {
        await removeServiceAccount(scope, account);
        return account;
      }),
    trustWorkload: ({ issuer, subject, audience, ...which }, actor) =>
      change(which, actor, async (scope, account) => {
        await insertWorkload(scope, account, { issuer, subject, audience });
        return renewed(scope, account);
      }),
    distrustWorkload: ({ id, ...which }, actor) =>
      change(which, actor, async (scope, account) => {
        await removeWorkload(scope, account, id);
        return renewed(scope, account);
      }),
  };
}

function shown(
  { id, subject, name, roles, active, workloads }: ServiceAccount,
  organization: string,
): ServiceAccountNoun {
  return { id, clientId: subject, organization, name, roles: [...roles], active, workloads: [...workloads] };
}
