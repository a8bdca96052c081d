/** Plan, apply and export: a document becomes rows in one transaction, judged before and after, and kept or undone. */
import { createHash } from 'node:crypto';
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import { applyConfig } from '#admin/apply.ts';
import { applyPolicies } from '#admin/apply-policies.ts';
import { type Change, diffDocuments } from '#admin/configuration/diff.ts';
import { exportConfiguration } from '#admin/configuration/export.ts';
import { pruneConfiguration } from '#admin/configuration/prune.ts';
import type { ConfigurationPlan, ConfigurationWish } from '#admin/contract/configuration.ts';
import type { Configuration } from '#admin/routes/configuration.ts';
import type { Config } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { type Log, silentLog } from '#core/log.ts';
import type { Db } from '#db/schema.ts';
import { withOneTransaction } from '#db/scope.ts';
import { openPolicies } from '#gateway/rights/open-policies.ts';
import { openSnapshotLoader } from '#records/snapshot-loader.ts';
import { diffAccess, type OrganizationAccess, readAccess } from './access-of.ts';
import { listingOf } from './gateway-settings.ts';
import { type ReadServers, readServers, storeDocuments } from './openapi-opener.ts';
import type { Storage } from './storage.ts';

export interface ConfigurationDeps {
  readonly storage: Pick<Storage, 'db' | 'records' | 'recordsOf'>;
  readonly policies: PolicyEngine;
  readonly log: Log;
}

export function openConfiguration(config: Pick<Config, 'egress' | 'http'>, deps: ConfigurationDeps): Configuration {
  const { storage } = deps;
  return {
    export: () => exportConfiguration(storage.records),
    async apply(wish, keep) {
      checkFiles(wish);
      const read = await asBadRequest(() => readServers(config, wish.document.servers));
      return withOneTransaction(storage.db, async (db) => ({
        result: await work({ ...deps, wish, read, db, keep, listing: listingOf(config) }),
        keep,
      }));
    },
  };
}

/** A path means the machine of whoever wrote it. */
function checkFiles({ document }: ConfigurationWish): void {
  const found = document.servers.find(({ openapi }) => openapi?.file !== undefined);
  if (found)
    throw new GatehouseError('bad_request', {
      message: `servers: the OpenAPI document of "${found.key}" must be sent along as \`document\``,
    });
}

interface Work extends Judging {
  readonly wish: ConfigurationWish;
  readonly read: ReadServers;
  readonly keep: boolean;
}

async function work(given: Work): Promise<ConfigurationPlan> {
  const { storage, wish, read, db, keep, listing, policies: engine } = given;
  const { document, prune, adopt } = wish;
  const records = storage.recordsOf(db);
  const { result, changes, access } = await judgeChange(given, async () => {
    await storeDocuments(db, read.documents);
    const wanted = { ...document, servers: read.servers, adopt };
    const { changed, locked } = await asBadRequest(() => applyConfig(records, wanted, listing));
    const applied = await asBadRequest(() => applyPolicies({ records, engine, adopt }, document.policies));
    if (prune !== 'none') await pruneConfiguration({ records, document, all: prune === 'all' });
    return { locked, warnings: applied.warnings, written: [...changed, ...applied.changed] };
  });
  const digest = digestOf({ changes, access });
  // Inside the transaction: what was made so far is undone.
  if (keep && wish.digest !== undefined && wish.digest !== digest)
    throw new GatehouseError('conflict', {
      message: 'The gateway changed since the plan was made: look at `gatehouse plan` again',
    });
  return {
    ...{ changes: [...changes], access: [...access], digest, applied: keep },
    warnings: [...result.warnings, ...result.locked.map((what) => `${what}: key management does not answer`)],
  };
}

export interface Judging extends ConfigurationDeps {
  /** The transaction. */
  readonly db: Db;
  readonly listing: ReturnType<typeof listingOf>;
}

export interface Judged<T> extends Pick<ConfigurationPlan, 'changes' | 'access'> {
  readonly result: T;
}

/** The configuration, and who may use what, before and after `change`: `written` names what it wrote, for what doesn't show. */
export async function judgeChange<T extends { readonly written: readonly string[] }>(
  judging: Judging,
  change: () => Promise<T>,
): Promise<Judged<T>> {
  const { storage, db, policies: engine } = judging;
  const records = storage.recordsOf(db);
  const before = await exportConfiguration(records);
  const wereGiven = await accessIn(judging);
  const result = await change();
  const after = await exportConfiguration(records);
  const seen = diffDocuments(before.document, after.document);
  const changes = [...seen, ...unseen(result.written, seen)].map(plainly);
  const access = diffAccess(wereGiven, await accessIn(judging), openPolicies({ engine, log: silentLog }));
  return { result, changes, access: [...access] };
}

/** Secrets are in no plan: of those it says which are written, not what. */
const digestOf = (plan: Pick<ConfigurationPlan, 'changes' | 'access'>): string =>
  createHash('sha256').update(JSON.stringify(plan)).digest('base64url');

/** What was written and doesn't show: secrets, and whose it is. */
function unseen(written: readonly string[], seen: readonly Change[]): readonly Change[] {
  const isTold = (what: string) => seen.some((change) => change.what === what || change.what.startsWith(`${what}/`));
  const others = new Set(written.filter((what) => !what.startsWith('limit of ') && !isTold(what)));
  const told = new Set(seen.map(({ what }) => what.replace(/^credential ([^/]+)\/.*?([^/]+)$/, 'credential $1/$2')));
  return [...others].filter((what) => !told.has(what)).map((what) => ({ action: 'change', what, fields: [] }) as const);
}

const plainly = ({ action, what, fields }: Change): ConfigurationPlan['changes'][number] => ({
  ...{ action, what },
  fields: fields.map((field) => ({ ...field })),
});

async function accessIn({ storage, db, log, listing }: Judging): Promise<readonly OrganizationAccess[]> {
  const organizations = await storage.recordsOf(db).listOrganizations();
  const snapshots = await openSnapshotLoader(db, log, { listing }).loadAll(organizations.map(({ id }) => id));
  const all: OrganizationAccess[] = [];
  for (const snapshot of snapshots) all.push(await readAccess(db, snapshot));
  return all;
}

/** What is wrong with a file at the start is wrong with a request here. */
async function asBadRequest<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof GatehouseError) || cause.code !== 'setting') throw cause;
    throw new GatehouseError('bad_request', { message: cause.message, cause });
  }
}
