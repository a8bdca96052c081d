/** The admin API without a gateway: the same routes, run here on the database itself. */
import { openAdmin } from '#admin/handlers.ts';
import { listAll } from '#admin/lists.ts';
import { openClosers } from '#app/closers.ts';
import { explainFilter } from '#app/filters.ts';
import { openConfiguredEgress } from '#app/identities.ts';
import { documentFetcher } from '#app/imports.ts';
import { openRecords } from '#app/open-records.ts';
import { openApiImport } from '#app/openapi-opener.ts';
import { openPolicyEngine } from '#app/policy-engine.ts';
import type { Config } from '#config/load.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { addressGuard } from '#http/address-guard.ts';
import type { Connection } from './connection.ts';

export async function openLocal(config: Config): Promise<Connection> {
  const { records, secrets, rotateSigningKeys, audit, close } = await openRecords(config, silentLog);
  const status = () => ({ status: 'healthy', version: '', demo: config.demo, url: config.http.baseUrl }) as const;
  // Nobody counts where no gateway runs.
  const readLimit = () => ({ used: 0, resetMs: 0 });
  const guard = addressGuard(config.egress);
  const closers = openClosers();
  const fetchDocument = documentFetcher(openConfiguredEgress(config, closers));
  const run = openAdmin({
    policies: await openPolicyEngine(),
    ...{ records, clock: systemClock, status, readLimit, rotateSigningKeys, ...audit },
    openApi: openApiImport(config),
    ...{ guard, explainFilter, secrets, fetchDocument },
    ...{ catalog: config.settledCatalog.entries, registryUrl: config.catalog.registryUrl },
  });
  const shut = async () => {
    await closers.closeAll(silentLog);
    await close();
  };
  const call: Connection['call'] = (name, input) => run(name, input, { kind: 'platform', isCommandLine: true });
  return {
    url: undefined,
    call,
    list: (name, input) => listAll(call, name, input),
    close: shut,
  };
}
