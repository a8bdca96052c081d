/** What the configuration says, in the database: at every start, before anything listens. */
import type { PolicyEngine } from '#adapters/policy/policy.ts';
import { applyConfig } from '#admin/apply.ts';
import { applyPolicies } from '#admin/apply-policies.ts';
import { ensureRagieServer, mappingWanted } from '#admin/ragie.ts';
import type { Config } from '#config/load.ts';
import type { Log } from '#core/log.ts';
import { openCatalog } from './catalog.ts';
import { listingOf } from './gateway-settings.ts';
import { withOpenApi } from './openapi-opener.ts';
import type { OperatorServer } from './operator-keys.ts';
import type { Storage } from './storage.ts';

interface ApplyDeps {
  readonly storage: Pick<Storage, 'records' | 'db'>;
  readonly policies: PolicyEngine;
  readonly log: Log;
}

/** What the configuration says becomes rows; the platform's servers, with the operator's own keys for them. */
export async function applyAll(
  config: Config,
  { storage, policies, log }: ApplyDeps,
): Promise<readonly OperatorServer[]> {
  const { records, db } = storage;
  await ensureRagieServer(records, config.ragieBaseUrl, Object.keys(config.mapping).length > 0);
  await applyConfig(records, mappingWanted(config.mapping));
  const { locked } = await applyConfig(records, await withOpenApi(config, db), listingOf(config));
  if (locked.length > 0) log.error({ locked }, 'key management does not answer: credentials are locked');
  const fromCatalog = await openCatalog(config, { records, log });
  const applied = await applyPolicies({ records, engine: policies }, config.policies);
  for (const warning of applied.warnings) log.warn({}, warning);
  return [...config.servers, ...fromCatalog];
}
