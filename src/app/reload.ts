/**
 * Another gatehouse.yaml while the gateway runs: what is rows becomes rows, in one transaction; what was read once, at the
 * start, is named. A file that is wrong changes nothing.
 */
import { canonical } from '#admin/canonical.ts';
import { configurationDocument } from '#admin/configuration-nouns.ts';
import type { Status } from '#admin/nouns.ts';
import type { Configuration } from '#admin/routes/configuration.ts';
import type { Config } from '#config/load.ts';
import type { Clock } from '#core/clock.ts';
import { asGatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import { Secret } from '#core/secret.ts';

export interface Reloading {
  /** One after the other. Never rejects. */
  reload(read: () => Config): Promise<void>;
  status(): NonNullable<Status['configuration']>;
}

export interface ReloadDeps {
  readonly configuration: Pick<Configuration, 'apply'>;
  readonly log: Log;
  readonly clock: Clock;
}

export function openReloading(first: Config, { configuration, log, clock }: ReloadDeps): Reloading {
  let problem: string | null = null;
  let needsRestart: string[] = [];
  let appliedAt = clock.now();
  let last: Promise<void> = Promise.resolve();

  async function renew(read: () => Config): Promise<void> {
    try {
      const config = read();
      const { document, servers } = documentOf(config);
      const { changes, warnings } = await configuration.apply({ document, prune: 'none', adopt: false }, true);
      [problem, appliedAt] = [null, clock.now()];
      needsRestart = [...restartOf(first, config), ...servers];
      for (const warning of warnings) log.warn({}, warning);
      log.info({ changed: changes.map(({ what }) => what) }, 'the configuration file was read anew');
      if (needsRestart.length > 0) log.warn({ settings: needsRestart }, 'these settings need a restart');
    } catch (thrown) {
      problem = asGatehouseError(thrown).message;
      log.error({ problem }, 'the configuration file is not accepted: what was before goes on');
    }
  }
  return {
    reload(read) {
      last = last.then(() => renew(read));
      return last;
    },
    status: () => ({
      ...{ file: first.file ?? null, problem, needsRestart },
      appliedAt: new Date(appliedAt).toISOString(),
    }),
  };
}

/** Servers whose documents lie in files are read at a start. */
function documentOf(config: Config) {
  const isLive = ({ openapi }: Config['servers'][number]) => openapi?.file === undefined;
  const { organizations, collections, credentials, enablements, groups, grants, policies, limits } = config;
  const document = {
    ...{ organizations, collections, credentials, enablements, groups, grants, policies },
    servers: config.servers.filter(isLive),
    limits: { rules: limits.rules },
  };
  const servers = config.servers.filter((server) => !isLive(server)).map(({ key }) => `servers.${key}`);
  return { document: thawed(document), servers };
}

/** Settings are frozen; whoever takes them does not change them. */
const thawed = (document: object) => document as Parameters<Configuration['apply']>[0]['document'];

const live = new Set(Object.keys(configurationDocument.shape));

/** Top-level sections that differ from the start's, and operators' keys of servers, which stay in memory. */
function restartOf(first: Config, now: Config): string[] {
  const fixed = (config: Config): Readonly<Record<string, unknown>> => {
    const { warnings: _warnings, settledCatalog: _catalog, identity, limits, ...rest } = config;
    const { rules: _rules, ...bounds } = limits;
    return { ...rest, identity: identity.map((entry) => entry.read()), limits: bounds };
  };
  const [before, after] = [fixed(first), fixed(now)];
  const names = Object.keys(after).filter((name) => !live.has(name) || name === 'limits');
  const differing = names.filter((name) => textOf(before[name]) !== textOf(after[name]));
  const keysOf = ({ servers }: Config) =>
    textOf(servers.map(({ key, credential, header }) => [key, credential, header]));
  return [...differing, ...(keysOf(first) === keysOf(now) ? [] : ['servers.credential'])];
}

/** Compared, never shown. */
const textOf = (value: unknown): string =>
  canonical(
    JSON.parse(
      JSON.stringify(
        value ?? null,
        function reveal(this: Readonly<Record<string, unknown>>, name: string, inner: unknown) {
          const given = this[name];
          return given instanceof Secret ? given.reveal() : inner;
        },
      ),
    ),
  );
