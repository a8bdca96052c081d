/** A collection with its bindings and credentials, written and read as one. */
import { GatehouseError } from '#core/error.ts';
import { asCollectionId, type CredentialId, type OrgId } from '#core/ids.ts';
import { type OrganizationScope, withOrganization } from '#db/scope.ts';
import {
  type BindingRecord,
  type EnforcedInput,
  insertBinding,
  listBindings,
  removeBinding,
} from '#records/bindings.ts';
import { type Collection, insertCollection, listCollections, updateCollection } from '#records/collections.ts';
import {
  credentialPlace,
  findCredential,
  insertCredential,
  newCredentialId,
  removeCredential,
} from '#records/credentials.ts';
import { listServers } from '#records/servers.ts';
import { plainListing } from '#records/snapshot.ts';
import { canonical } from './canonical.ts';
import type { CollectionRow, NewBinding, NewCollection } from './records.ts';
import { type AdminRecordsDeps, managedByOf } from './storage.ts';

type TreeDeps = Pick<AdminRecordsDeps, 'db' | 'vault' | 'clock'>;

export async function insertCollectionTree(deps: TreeDeps, org: OrgId, values: NewCollection): Promise<CollectionRow> {
  const sealed = await sealBindings(deps, org, values.bindings);
  return withOrganization(deps.db, org, async (scope) => {
    const { name, allowedRoles, managedBy, listing } = values;
    const collection = await insertCollection(scope, { name, allowedRoles, managedBy, listing });
    await insertBindings(scope, collection, sealed);
    return readTree(scope, collection);
  });
}

export async function listCollectionTrees(scope: OrganizationScope): Promise<readonly CollectionRow[]> {
  const rows: CollectionRow[] = [];
  for (const collection of await listCollections(scope)) rows.push(await readTree(scope, collection));
  return rows;
}

interface Replacing {
  readonly org: OrgId;
  readonly id: string;
  readonly values: NewCollection;
}

/** Writes nothing where nothing differs: a restart announces no change to other replicas. */
export async function replaceCollectionTree(
  deps: TreeDeps,
  { org, id, values }: Replacing,
): Promise<{ readonly changed: boolean }> {
  if (await isSame(deps, { org, id, values })) return { changed: false };
  const sealed = await sealBindings(deps, org, values.bindings);
  await withOrganization(deps.db, org, async (scope) => {
    const { name, allowedRoles, managedBy, listing = plainListing } = values;
    const change = { name, allowedRoles, managedBy, listing };
    const collection = await updateCollection(scope, asCollectionId(id), change);
    const before = await listBindings(scope, collection.id);
    const kept = keptCredentials(before, values.bindings);
    for (const binding of before) {
      await removeBinding(scope, binding.id);
      if (binding.credential && !kept.includes(binding.credential)) await removeCredential(scope, binding.credential);
    }
    await insertBindings(scope, collection, sealed, kept);
  });
  return { changed: true };
}

/** By binding. Throws `bad_request` for one that has nothing to keep. */
function keptCredentials(
  before: readonly BindingRecord[],
  now: readonly NewBinding[],
): readonly (CredentialId | undefined)[] {
  return now.map(({ keepCredential, credential, server, partition }) => {
    if (!keepCredential || credential) return undefined;
    const same = before.find((one) => one.server === server && one.partition === partition && one.credential);
    if (same?.credential) return same.credential;
    throw new GatehouseError('bad_request', {
      message: 'There is no credential to keep for this server with this partition: give it anew',
    });
  });
}

interface SealedBinding extends Omit<NewBinding, 'credential'> {
  readonly credential: { readonly id: CredentialId; readonly sealed: string } | undefined;
}

/** Outside the transaction: the vault reads the organization's key in its own. */
function sealBindings(
  { vault, clock }: TreeDeps,
  org: OrgId,
  bindings: readonly NewBinding[],
): Promise<SealedBinding[]> {
  return Promise.all(
    bindings.map(async (binding) => {
      if (!binding.credential) return { ...binding, credential: undefined };
      const id = newCredentialId(clock.now());
      return {
        ...binding,
        credential: { id, sealed: await vault.seal(org, credentialPlace(id), binding.credential.reveal()) },
      };
    }),
  );
}

async function insertBindings(
  scope: OrganizationScope,
  collection: Collection,
  bindings: readonly SealedBinding[],
  kept: readonly (CredentialId | undefined)[] = [],
): Promise<void> {
  for (const [position, { credential, header, ...binding }] of bindings.entries()) {
    if (credential) await insertCredential(scope, { ...credential, ...(header && { header }) });
    await insertBinding(scope, collection.id, { ...binding, credential: credential?.id ?? kept[position], position });
  }
}

async function readTree(scope: OrganizationScope, collection: Collection): Promise<CollectionRow> {
  const servers = new Map((await listServers(scope)).map((row) => [row.id, row.key]));
  const bindings = await listBindings(scope, collection.id);
  const headers = new Map((await listHeaders(scope)).map(({ id, ...header }) => [id, header]));
  return {
    id: collection.id,
    name: collection.name,
    allowedRoles: collection.allowedRoles,
    managedBy: managedByOf(collection.managedBy),
    listing: collection.listing,
    bindings: bindings.map((binding) => ({
      server: servers.get(binding.server) ?? binding.server,
      partition: binding.partition,
      hasCredential: binding.credential !== undefined,
      header: binding.credential && headers.get(binding.credential),
      enforced: plainEnforced(binding),
      prefix: binding.prefix,
      tools: binding.tools,
    })),
  };
}

function plainEnforced({ enforced }: Pick<BindingRecord, 'enforced'>): EnforcedInput {
  return Object.fromEntries([...enforced].map(([tool, byArgument]) => [tool, Object.fromEntries(byArgument)]));
}

async function isSame({ db, vault }: TreeDeps, { org, id, values }: Replacing): Promise<boolean> {
  const found = await withOrganization(db, org, async (scope) => {
    const collection = (await listCollections(scope)).find((row) => row.id === id);
    if (!collection) return undefined;
    const bindings = [];
    for (const binding of await listBindings(scope, collection.id)) {
      const sealed = binding.credential && (await findCredential(scope, binding.credential));
      const header = binding.credential && (await findHeader(scope, binding.credential));
      bindings.push({ ...binding, sealed, header });
    }
    return { collection, bindings };
  });
  if (!found || found.bindings.length !== values.bindings.length) return false;
  if (values.bindings.some(({ keepCredential }) => keepCredential)) return false;
  const { collection } = found;
  if (
    collection.managedBy !== values.managedBy ||
    canonical(collection.allowedRoles) !== canonical(values.allowedRoles) ||
    canonical(collection.listing) !== canonical(values.listing ?? plainListing)
  )
    return false;
  for (const [index, binding] of found.bindings.entries()) {
    const wanted = values.bindings[index];
    if (!wanted || binding.server !== wanted.server || binding.partition !== wanted.partition) return false;
    if (canonical(plainEnforced(binding)) !== canonical(wanted.enforced)) return false;
    if (binding.prefix !== wanted.prefix || canonical(binding.tools) !== canonical(wanted.tools ?? {})) return false;
    const { sealed } = binding;
    const opened = sealed && (await vault.open(org, sealed.place, sealed.sealed));
    if (opened?.reveal() !== wanted.credential?.reveal()) return false;
    const header = wanted.header ?? { name: 'authorization', template: 'Bearer {}' };
    if (sealed && canonical(binding.header) !== canonical(header)) return false;
  }
  return true;
}

const listHeaders = ({ tx }: OrganizationScope) =>
  tx.selectFrom('credentials').select(['id', 'header_name as name', 'header_template as template']).execute();

function findHeader({ tx }: OrganizationScope, id: CredentialId) {
  return tx
    .selectFrom('credentials')
    .select(['header_name as name', 'header_template as template'])
    .where('id', '=', id)
    .executeTakeFirst();
}
