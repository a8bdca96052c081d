/**
 * The gateway for Entra ID with ToolHive: its `.env`, Cedar files and ToolHive configurations of policies, and what
 * `thv export` wrote of each workload (REQUIREMENTS S2.13 to S2.17, S2.29). All of it is files.
 */
import { posix } from 'node:path';
import { parse } from 'yaml';
import type { WantedPolicy } from '#admin/apply-policies.ts';
import { slug } from '#admin/nouns.ts';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { type Found, type LeftOut, nothingFound, quoted } from './found.ts';
import type { ServerPlaces } from './resolve-servers.ts';
import { readWorkload, type Workload } from './toolhive-workload.ts';

export interface GivenFile {
  /** Relative to what was named on the command line. */
  readonly path: string;
  readonly text: string;
}

export interface EntraTarget extends Pick<ServerPlaces, 'checkUrl' | 'servers'> {
  readonly organization: string;
  /** Variables of the other gateway, and of whoever runs the command: where secrets of workloads may be. */
  readonly secrets: Readonly<Record<string, string | undefined>>;
  readonly settings: Readonly<Record<string, string | undefined>>;
  readonly adviseSetting: (name: string) => string;
}

/** `config`: ToolHive's; `policies`: text of Cedar. */
type PolicyFile = GivenFile & ({ readonly policies: string } | { readonly config: JsonObject });

export async function readEntraToolhive(files: readonly GivenFile[], target: EntraTarget): Promise<Found> {
  const { organization, settings } = target;
  const leftOut: LeftOut[] = [];
  const policies: PolicyFile[] = [];
  const workloads: Workload[] = [];
  for (const file of files) {
    if (file.path.endsWith('.cedar')) policies.push({ ...file, policies: file.text });
    const value = /\.(?:json|ya?ml)$/.test(file.path) ? dataOf(file, leftOut) : undefined;
    if (value === undefined) continue;
    if (isPolicyConfig(value)) policies.push({ ...file, config: value });
    else if (isWorkload(value)) workloads.push(...(await readWorkload(value, { ...target, path: file.path, leftOut })));
  }
  const taken = uniqueOf(workloads, leftOut);
  const keys = new Set([...target.servers.keys(), ...taken.map(({ server }) => server.key)]);
  const { ENTRA_TENANT_ID: tenant } = settings;
  const externalId = tenant !== undefined && /^[0-9a-f-]{36}$/i.test(tenant) ? tenant.toLowerCase() : undefined;
  return {
    ...nothingFound,
    organizations: [{ slug: organization, name: organization, externalId }],
    servers: taken.map(({ server }) => server),
    // Whoever signed in at the directory could call every workload; policies said what.
    enablements: taken.map(({ server, tools }) => ({
      organization,
      server: server.key,
      allMembers: tools === undefined,
    })),
    collections: taken.flatMap(({ server, tools }) =>
      tools ? [{ organization, name: server.key, allowedRoles: '*' as const, server: server.key, tools }] : [],
    ),
    policies: attach({ organization, policies, workloads: taken, keys, leftOut }),
    settings: Object.keys(settings).map((name) => ({ name, advice: target.adviseSetting(name) })),
    leftOut,
  };
}

function dataOf({ path, text }: GivenFile, leftOut: LeftOut[]): JsonObject | undefined {
  try {
    const value: unknown = parse(text, { schema: 'core', maxAliasCount: 0 });
    return isJsonObject(value) ? value : undefined;
  } catch {
    leftOut.push({ what: `file ${quoted(path)}`, reason: 'it is neither JSON nor YAML' });
    return undefined;
  }
}

const isPolicyConfig = (value: JsonObject): boolean => value.type === 'cedarv1' || isJsonObject(value.cedar);
const isWorkload = (value: JsonObject): boolean =>
  typeof value.name === 'string' &&
  (typeof value.image === 'string' || typeof value.remote_url === 'string') &&
  ('transport' in value || 'cmd_args' in value || 'schema_version' in value);

function uniqueOf(workloads: readonly Workload[], leftOut: LeftOut[]): readonly Workload[] {
  const seen = new Map<string, Workload>();
  for (const workload of workloads) {
    const { key } = workload.server;
    if (seen.has(key))
      leftOut.push({ what: `file ${quoted(workload.path)}`, reason: `another file has ${key} already` });
    else seen.set(key, workload);
  }
  return [...seen.values()];
}

interface Attaching {
  readonly organization: string;
  readonly policies: readonly PolicyFile[];
  readonly workloads: readonly Workload[];
  readonly keys: ReadonlySet<string>;
  readonly leftOut: LeftOut[];
}

/**
 * A set of policies is a server's: one that a workload carries or names, or whose file has the server's name. To attach one
 * that nobody names would forbid all that it does not speak of.
 */
function attach({ organization, policies, workloads, keys, leftOut }: Attaching): readonly WantedPolicy[] {
  const values = { organization, onError: 'deny', mode: 'enforce' } as const;
  const carried = workloads.flatMap(({ server: { key }, authorization }) =>
    authorization ? [{ ...values, name: `${key}-authz`, server: key, config: authorization }] : [],
  );
  const others = policies.flatMap((file) => {
    const stem = posix.basename(file.path).replace(/\.[^.]+$/, '');
    const users = workloads.filter(
      ({ authorizationPath: path }) => path && posix.basename(path) === posix.basename(file.path),
    );
    const named = users.map(({ server }) => server.key);
    const servers = named.length > 0 ? named : keys.has(stem) && slug.safeParse(stem).success ? [stem] : [];
    if (servers.length === 0)
      leftOut.push({
        what: `policies ${quoted(file.path)}`,
        reason: 'no workload names them: `gatehouse policy put NAME --file FILE --server KEY` attaches them',
      });
    const said = 'config' in file ? { config: file.config } : { policies: file.policies };
    return servers.map((server) => ({
      ...values,
      name: `${server}-${stem === server ? 'authz' : stem}`,
      server,
      ...said,
    }));
  });
  return [...carried, ...others];
}
