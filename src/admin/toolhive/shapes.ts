/** ToolHive's words for what is run (REQUIREMENTS S2.15), and what they are here. */
import { z } from 'zod';
import type { RouteInput } from '#admin/contract.ts';
import { toolHiveProfile } from '#admin/run-export.ts';
import type { RunShown } from '#admin/run-nouns.ts';
import { secretName } from '#admin/transport-nouns.ts';
import { GatehouseError } from '#core/error.ts';

const short = z.string().max(2048);
const names = z.array(z.string().max(256)).max(1000).nullish();
const filled = (value: unknown): boolean =>
  typeof value === 'object' && value !== null ? Object.values(value).some(filled) : Boolean(value);

/** What is left out, null and empty are the same: its clients send every field. */
const request = z.object({
  name: short.optional(),
  image: short.optional(),
  /** Ours: a command of this machine in the place of an image. */
  command: short.optional(),
  cmd_arguments: z.array(z.string().max(8192)).max(256).nullish(),
  target_port: z.int().min(0).max(65_535).nullish(),
  proxy_port: z.int().min(0).max(65_535).nullish(),
  env_vars: z.record(short, z.string().max(16_384)).nullish(),
  secrets: z.array(z.unknown()).nullish(),
  volumes: z.array(short).max(50).nullish(),
  transport: z.enum(['', 'stdio', 'sse', 'streamable-http']).nullish(),
  permission_profile: toolHiveProfile.nullish(),
  tools: names,
  tools_override: z
    .record(z.string().max(256), z.object({ name: short.optional(), description: z.string().max(16_384).optional() }))
    .nullish(),
  group: short.nullish(),
  /** Ours: whom it is enabled for. Default: the only one. */
  organization: short.nullish(),
  url: z.unknown().optional(),
  authz_config: z.unknown().optional(),
  oidc: z.unknown().optional(),
  oauth_config: z.unknown().optional(),
  header_forward: z.unknown().optional(),
  headers: z.unknown().optional(),
  registry: z.unknown().optional(),
  server: z.unknown().optional(),
});
type Request = z.output<typeof request>;

const elsewhere = {
  url: 'a remote server is not run: add it to servers in gatehouse.yaml',
  oauth_config: 'a remote server is not run: add it to servers in gatehouse.yaml',
  headers: 'a remote server is not run: add it to servers in gatehouse.yaml',
  header_forward: 'a remote server is not run: add it to servers in gatehouse.yaml',
  oidc: 'who signs in is decided for the whole gateway: identity in gatehouse.yaml',
  authz_config: 'attach policies with `gatehouse policy put`',
  secrets: 'secrets are set by value: env_vars of a name like a secret, or PUT /admin/api/v1/runs/{name}/variables',
  registry: 'name the image',
  server: 'name the image',
} as const;

/** Throws `bad_request`. */
export function parseRequest(body: unknown): Request {
  const parsed = request.safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    refuse(`${issue?.path.join('.') || 'The body'} is wrong: ${issue?.message ?? 'correct it'}`);
  }
  for (const [field, instead] of Object.entries(elsewhere))
    if (filled(Reflect.get(parsed.data, field))) refuse(`${field}: ${instead}`);
  return parsed.data;
}

export interface Definition {
  readonly transport: RouteInput<'createRun'>['transport'];
  readonly variables: Record<string, string>;
  readonly port: number | null;
}

/** Values of variables whose names say that they are secret are sealed. Throws `bad_request`. */
export function definitionOf(given: Request): Definition {
  const { image, command, target_port: target, transport, permission_profile: permission } = given;
  const entries = Object.entries(given.env_vars ?? {});
  const isSecret = ([name]: readonly [string, string]) => secretName.test(name);
  const common = {
    args: given.cmd_arguments ?? [],
    env: Object.fromEntries(entries.filter((entry) => !isSecret(entry))),
    volumes: volumesOf(given.volumes ?? []),
    ...(permission && { permission }),
  };
  const port = target ? { port: target } : {};
  const speaks = transport === 'streamable-http' ? 'http' : transport === 'sse' ? 'sse' : 'stdio';
  const definition = {
    variables: Object.fromEntries(entries.filter(isSecret)),
    port: given.proxy_port || null,
  };
  if (image) return { ...definition, transport: { kind: 'container', image, speaks, ...port, ...common } };
  if (!command) refuse('image is missing');
  if (speaks === 'stdio') return { ...definition, transport: { kind: 'stdio', command, ...common } };
  return { ...definition, transport: { kind: 'process', command, speaks, ...port, ...common } };
}

/** Throws `bad_request`. */
export const volumesOf = (texts: readonly string[]) => texts.map(volumeOf);

function volumeOf(text: string) {
  const [, source = '', target = '', mode] = /^([^:]+):([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
  if (target === '') refuse('volumes are written host:target or host:target:ro');
  return { source, target, readOnly: mode === 'ro' };
}

function refuse(message: string): never {
  throw new GatehouseError('bad_request', { message });
}

const statuses = { running: 'running', ready: 'running', stopped: 'stopped', failed: 'error' } as const;

export const statusOf = ({ state }: RunShown) => statuses[state];

/** `origin`: of the gateway, for servers without a port of their own. */
export function workloadOf(run: RunShown, runConfig: Readonly<Record<string, unknown>>, origin: string) {
  const { transport, image, command } = runConfig;
  const own = new URL(origin);
  const url = run.port === null ? `${origin}/mcp/${run.server}` : `${own.protocol}//${own.hostname}:${run.port}/mcp`;
  return {
    name: run.server,
    package: image ?? command ?? '',
    url,
    port: run.port ?? Number(own.port || (own.protocol === 'https:' ? 443 : 80)),
    tool_type: 'mcp',
    transport_type: transport,
    proxy_mode: 'streamable-http',
    status: statusOf(run),
    status_context: run.portProblem ?? run.lastExit?.reason ?? '',
    created_at: run.createdAt,
    ...(run.startedAt !== null && { started_at: run.startedAt }),
    labels: {},
    group: 'default',
  };
}

/** What `GET /workloads/{name}` gives back: the request that would make it again, secrets by name. */
export function requestOf(name: string, runConfig: Readonly<Record<string, unknown>>) {
  const { image = '', command, cmd_args, port = 0, target_port = 0, env_vars, secrets, ...more } = runConfig;
  const { volumes, transport, permission_profile, isolate_network } = more;
  const named = Array.isArray(secrets) ? secrets.map((text) => String(text).split(',')[0]) : [];
  return {
    ...{ name, image, ...(command !== undefined && { command }), cmd_arguments: cmd_args, target_port },
    ...{ proxy_port: port, env_vars, secrets: named.map((secret) => ({ name: secret, target: secret })) },
    ...{ volumes, transport, permission_profile, network_isolation: isolate_network, group: 'default' },
  };
}
