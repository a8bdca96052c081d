/** `AdminRecords` over src/records: each method is one transaction; secrets are sealed before it begins. */

import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { asServerId, type OrgId, type ServerId } from '#core/ids.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Db } from '#db/schema.ts';
import { type OrganizationScope, withOrganization, withPlatform } from '#db/scope.ts';
import type { ApiKeys } from '#records/api-key.ts';
import { listContentFilters, putContentFilter, removeContentFilter } from '#records/content-filters.ts';
import { listEnablements, putEnablement } from '#records/enablements.ts';
import { insertKey, type KeySummary, listKeys, revokeKey } from '#records/keys.ts';
import {
  ensureOrganization,
  findOrganization,
  insertOrganization,
  listOrganizations,
  updateOrganization,
} from '#records/organizations.ts';
import { insertProgramClient, listProgramClients, removeProgramClient } from '#records/program-clients.ts';
import { openedAuth, sealedAuth } from '#records/server-secrets.ts';
import { insertServer, listServers, type Server, updateServer } from '#records/servers.ts';
import { approveToolPin, listToolPins, rejectToolPin } from '#records/tool-pins.ts';
import type { Vault } from '#records/vault.ts';
import { accountRecords } from './account-storage.ts';
import { insertCollectionTree, listCollectionTrees, replaceCollectionTree } from './collection-tree.ts';
import { connectionRecords } from './connection-storage.ts';
import { credentialRecords } from './credential-storage.ts';
import { limitRecords } from './limit-storage.ts';
import { policyRecords } from './policy-records.ts';
import type { AdminRecords, EnablementRow, KeyRow, ManagedBy, ServerRow } from './records.ts';
import { runRecords } from './run-storage.ts';

export interface AdminRecordsDeps {
  readonly db: Db;
  readonly vault: Pick<Vault, 'seal' | 'open'>;
  readonly keys: Pick<ApiKeys, 'mint'>;
  readonly clock: Clock;
  /** Of secrets in definitions of servers; undefined: none can be given. */
  readonly sealer?: Sealer;
  /** Keys are marked as of production or not. */
  readonly keyMode: 'live' | 'test';
}

export function openAdminRecords(deps: AdminRecordsDeps): AdminRecords {
  const { db, clock } = deps;
  const accounts = accountRecords(deps);
  return {
    sealRequest: (id, text) => deps.sealer?.seal(`admin request ${id}`, text) ?? null,
    openRequest: (id, sealed) => deps.sealer?.open(`admin request ${id}`, sealed),
    within: (org, work) => withOrganization(db, org, work),
    asPlatform: (work) => withPlatform(db, work),
    listOrganizations: () => withPlatform(db, listOrganizations),
    findOrganization: (ref) => withPlatform(db, (scope) => findOrganization(scope, ref)),
    insertOrganization: (values) =>
      taken(`An organization "${values.slug}" exists already`, () =>
        withPlatform(db, (scope) => insertOrganization(scope, values)),
      ),
    ensureOrganization: (ref) => withPlatform(db, (scope) => ensureOrganization(scope, ref)),
    updateOrganization: async (id, values) => {
      await withPlatform(db, (scope) => updateOrganization(scope, id, values));
    },
    listServers: async () => (await withPlatform(db, listServers)).map((row) => serverRow(row, deps)),
    listServersOf: async (org) =>
      ownFirst(await withOrganization(db, org, listServers)).map((row) => serverRow(row, deps)),
    ...connectionRecords(db),
    insertServer: async (values) =>
      serverRow(
        await taken(`A server "${values.key}" exists already`, () =>
          withPlatform(db, (scope) => insertServer(scope, { ...values, auth: sealedAuth(values.auth, deps.sealer) })),
        ),
        deps,
      ),
    updateServer: async (id, values) => {
      const auth = sealedAuth(values.auth, deps.sealer);
      await withPlatform(db, (scope) => updateServer(scope, id, { ...values, auth }));
    },
    findEnablement: (org, server) => withOrganization(db, org, (scope) => findEnablement(scope, server)),
    putEnablement: (org, server, values) =>
      withOrganization(db, org, (scope) => putEnablement(scope, { server, ...values })),
    listCollections: (org) => withOrganization(db, org, listCollectionTrees),
    insertCollection: (org, values) =>
      taken(`A collection "${values.name}" exists already in this organization`, () =>
        insertCollectionTree(deps, org, values),
      ),
    replaceCollection: (org, id, values) => replaceCollectionTree(deps, { org, id, values }),
    listPins: (org) => withOrganization(db, org, listToolPins),
    approvePin: (org, decision) => withOrganization(db, org, (scope) => approveToolPin(scope, decision, clock.now())),
    rejectPin: (org, decision) => withOrganization(db, org, (scope) => rejectToolPin(scope, decision)),
    listKeys: async (org) => (await withOrganization(db, org, listKeys)).map(keyRow),
    insertKey: (org, values) =>
      taken(`A key named "${values.name}" exists already: revoke it or choose another name`, async () => {
        const { id, text, digest, last4 } = deps.keys.mint(deps.keyMode, clock.now());
        await withOrganization(db, org, (scope) => insertKey(scope, { id, digest, last4, ...values }));
        return { row: { id, last4, createdAt: clock.now(), revokedAt: undefined, ...values }, text };
      }),
    revokeKey: (org, id) => revoke(deps, org, id),
    listClients: (org) => withOrganization(db, org, listProgramClients),
    insertClient: (org, values) =>
      taken(`A client named "${values.name}" exists already in this organization`, () =>
        withOrganization(db, org, (scope) => insertProgramClient(scope, values)),
      ),
    removeClient: (org, id) => withOrganization(db, org, (scope) => removeProgramClient(scope, id)),
    ...credentialRecords(deps),
    listFilters: (org) => withOrganization(db, org, listContentFilters),
    putFilter: (org, { server, ...filter }) =>
      withOrganization(db, org, (scope) =>
        putContentFilter(scope, { ...filter, server: server === undefined ? undefined : asServerId(server) }),
      ),
    removeFilter: (org, name) => withOrganization(db, org, (scope) => removeContentFilter(scope, name)),
    ...limitRecords(db),
    ...accounts,
    ...policyRecords(deps),
    ...runRecords(deps),
    insertAccount: (values) =>
      taken(`An account "${values.username}" exists already`, () => accounts.insertAccount(values)),
  };
}

/** `conflict`, in words that name what is taken. */
async function taken<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (thrown) {
    if (!(thrown instanceof GatehouseError) || thrown.code !== 'conflict') throw thrown;
    throw new GatehouseError('conflict', { message, cause: thrown });
  }
}

async function findEnablement(scope: OrganizationScope, server: ServerId): Promise<EnablementRow | undefined> {
  const found = (await listEnablements(scope)).find((row) => row.server === server);
  if (!found) return undefined;
  const { enabled, allMembers, allowedRoles, blockedTools } = found;
  return { enabled, allMembers, allowedRoles, blockedTools };
}

/** Of each key one. */
export function ownFirst(servers: readonly Server[]): readonly Server[] {
  const own = new Set(servers.flatMap(({ key, org }) => (org === undefined ? [] : [key])));
  return servers.filter(({ key, org }) => org !== undefined || !own.has(key));
}

function serverRow({ managedBy, auth, ...row }: Server, { sealer }: AdminRecordsDeps): ServerRow {
  return { ...row, auth: openedAuth(auth, sealer), managedBy: managedByOf(managedBy) };
}

export function managedByOf(text: string): ManagedBy {
  return text === 'file' || text === 'catalog' || text === 'catalog-off' ? text : 'api';
}

function keyRow({ id, name, roles, endpoints, expiresAt, last4, createdAt, revokedAt, userId }: KeySummary): KeyRow {
  return { id, name, roles, endpoints, expiresAt, last4, createdAt, revokedAt, userId };
}

async function revoke({ db, clock }: AdminRecordsDeps, org: OrgId, id: KeyRow['id']): Promise<KeyRow | undefined> {
  return withOrganization(db, org, async (scope) => {
    const found = (await listKeys(scope)).some((key) => key.id === id);
    if (!found) return undefined;
    await revokeKey(scope, id, clock.now());
    const key = (await listKeys(scope)).find((row) => row.id === id);
    return key && keyRow(key);
  });
}
