/** One workload as `thv export` writes it. What it asks for and cannot be had here is said; what would widen its rights is not taken. */
import { z } from 'zod';
import { checkDefinition, checkVariables } from '#admin/commands.ts';
import { keyFor } from '#admin/imports/plan.ts';
import { shapingOf } from '#admin/routes/runs.ts';
import { toolHiveProfile } from '#admin/run-export.ts';
import { volumesOf } from '#admin/toolhive/shapes.ts';
import { secretName, transport as transportSchema } from '#admin/transport-nouns.ts';
import type { JsonObject } from '#core/json.ts';
import { looksSecret } from '#core/looks-secret.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { ToolsInput } from '#records/tool-shaping.ts';
import { type FoundServer, type LeftOut, quoted } from './found.ts';

export interface Workload {
  readonly path: string;
  readonly server: FoundServer;
  /** Undefined: all of its tools, as they are. */
  readonly tools: ToolsInput | undefined;
  readonly authorization: JsonObject | undefined;
  readonly authorizationPath: string | undefined;
}

interface Reading {
  readonly path: string;
  readonly checkUrl: (url: string) => Promise<string>;
  readonly secrets: Readonly<Record<string, string | undefined>>;
  readonly leftOut: LeftOut[];
}

const short = z.string().max(2048);
const config = z.object({
  name: short.min(1),
  image: short.optional(),
  remote_url: short.optional(),
  cmd_args: z.array(z.string().max(8192)).max(256).nullish(),
  transport: z.enum(['stdio', 'sse', 'streamable-http']).default('stdio'),
  port: z.int().min(0).max(65_535).nullish(),
  target_port: z.int().min(0).max(65_535).nullish(),
  env_vars: z.record(z.string(), z.string().max(16_384)).nullish(),
  /** `name,target=VARIABLE` */
  secrets: z.array(short).max(100).nullish(),
  volumes: z.array(short).max(50).nullish(),
  permission_profile: toolHiveProfile.nullish(),
  tools_filter: z.array(z.string().max(256)).max(1000).nullish(),
  tools_override: z
    .record(z.string().max(256), z.object({ name: short.optional(), description: z.string().max(16_384).optional() }))
    .nullish(),
  stateless: z.boolean().nullish(),
  authz_config: z.record(z.string(), z.json()).nullish(),
  authz_config_path: short.nullish(),
});
type Config = z.output<typeof config>;

/** Fields that say something and mean a setting of the whole gateway here. */
const elsewhere: Readonly<Record<string, string>> = {
  oidc_config: 'who signs in is decided for the whole gateway: identity in gatehouse.yaml',
  audit_config: 'every call is in the trail',
  remote_auth_config: 'set auth of the server in gatehouse.yaml',
  token_exchange_config: 'set auth of the server in gatehouse.yaml',
  allowed_origins: 'ALLOWED_ORIGINS is for the whole gateway',
  trust_proxy_headers: 'TRUSTED_PROXIES is for the whole gateway',
  telemetry_config: 'telemetry is of the whole gateway',
  middleware_configs: 'there are no middlewares of single servers',
};
const filled = (value: unknown): boolean =>
  typeof value === 'object' && value !== null ? Object.values(value).some(filled) : Boolean(value);

/** One, or none and the reason for it. */
export async function readWorkload(value: JsonObject, reading: Reading): Promise<readonly Workload[]> {
  const { path, leftOut } = reading;
  const parsed = config.safeParse(value);
  const what = `workload ${quoted(value.name)}`;
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    leftOut.push({ what, reason: `${issue?.path.join('.') ?? ''} ${issue?.message ?? 'is wrong'}`.trim() });
    return [];
  }
  const given = parsed.data;
  const key = keyFor(given.name);
  if (key !== given.name)
    leftOut.push({ what: `name ${quoted(given.name)}`, reason: `a server is called ${key} here` });
  for (const [field, reason] of Object.entries(elsewhere))
    if (filled(value[field])) leftOut.push({ what: `${field} of ${what}`, reason });
  try {
    const variables = variablesOf(given, reading);
    const transport = await transportOf(given, { reading, plain: variables.plain });
    checkDefinition({ kind: 'platform', isCommandLine: true }, transport);
    checkVariables(variables.sealed);
    for (const name of variables.missing)
      leftOut.push({
        what: `secret ${name} of ${what}`,
        reason: `no export has its value: set the variable ${name}, then import again`,
      });
    const server = { key, title: given.name, transport, port: given.port || undefined, variables: variables.sealed };
    const tools = shapingOf({ tools: given.tools_filter ?? undefined, overrides: given.tools_override ?? undefined });
    return [
      {
        path,
        server,
        tools,
        authorization: authorizationOf(given),
        authorizationPath: given.authz_config_path ?? undefined,
      },
    ];
  } catch (thrown) {
    leftOut.push({ what, reason: thrown instanceof Error ? thrown.message : 'it cannot be run here' });
    return [];
  }
}

const authorizationOf = ({ authz_config: given }: Config): JsonObject | undefined =>
  given && Object.keys(given).length > 0 ? (given as JsonObject) : undefined;

/** What is secret by its name or looks is sealed; what the export has by name only is looked for in the environment. */
function variablesOf({ env_vars: env, secrets: names }: Config, { secrets }: Reading) {
  const plain: Record<string, string> = {};
  const sealed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env ?? {}))
    if (secretName.test(name) || looksSecret(value)) sealed[name] = value;
    else plain[name] = value;
  const missing: string[] = [];
  for (const text of names ?? []) {
    const [, source = '', target = source] = /^([^,]+)(?:,target=(\w+))?$/.exec(text) ?? [];
    const value = secrets[target] ?? secrets[source];
    if (value) sealed[target] = value;
    else missing.push(target);
  }
  return { plain, sealed, missing };
}

interface Placing {
  readonly reading: Reading;
  readonly plain: Readonly<Record<string, string>>;
}

/** Throws GatehouseError, and ZodError's words for what is no definition here. */
async function transportOf(given: Config, { reading, plain }: Placing): Promise<ServerTransport> {
  if (given.remote_url !== undefined) {
    const url = await reading.checkUrl(given.remote_url);
    return { kind: given.transport === 'sse' ? 'sse' : 'http', url };
  }
  const image = given.image ?? '';
  if (/^(?:npx|uvx|go):\/\//.test(image))
    throw new Error('nothing is downloaded when a server starts: `gatehouse servers install`, then `gatehouse run`');
  const speaks = given.transport === 'streamable-http' ? 'http' : given.transport;
  const parsed = transportSchema.safeParse({
    ...{ kind: 'container', image, speaks, args: given.cmd_args ?? [], env: plain },
    ...{ state: given.stateless ? 'stateless' : 'stateful', volumes: volumesOf(given.volumes ?? []) },
    ...(given.target_port && speaks !== 'stdio' && { port: given.target_port }),
    permission: given.permission_profile ?? { network: 'none' },
  });
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${issue?.path.join('.') ?? 'it'} ${issue?.message ?? 'is wrong'}`);
}
