/** A server's definition as others read it: a snippet of gatehouse.yaml, and ToolHive's run configuration. No secret is in either. */
import { stringify } from 'yaml';
import { z } from 'zod';
import type { Json } from '#core/json.ts';
import type { PermissionProfile, Volume } from '#core/run.ts';
import type { ProgramTransport } from './commands.ts';
import type { permissionProfile } from './transport-nouns.ts';

export interface Exportable {
  readonly key: string;
  readonly title: string;
  readonly transport: ProgramTransport;
  readonly port: number | undefined;
  /** Names of sealed variables. */
  readonly variables: readonly string[];
}

export function exportYaml({ key, title, transport, port, variables }: Exportable): string {
  const missing = variables.map(
    (name) =>
      `# ${name} is sealed here and not exported: gatehouse run --secret, or PUT /admin/api/v1/runs/${key}/variables\n`,
  );
  const server = { key, ...(title !== key && { title }), transport, ...(port !== undefined && { port }) };
  return missing.join('') + stringify({ servers: [server] });
}

/** In the words of ToolHive's `thv export` (REQUIREMENTS S2.15): secrets by name only. */
export function exportRunConfig({ key, transport, port, variables }: Exportable): Record<string, Json> {
  const { args, env, volumes = [], permission } = transport;
  const isImage = transport.kind === 'container';
  const speaks = transport.kind === 'stdio' ? 'stdio' : transport.speaks;
  const target = transport.kind === 'stdio' ? undefined : transport.port;
  return {
    schema_version: 'v0.1.0',
    name: key,
    base_name: key,
    ...(isImage ? { image: transport.image } : { command: transport.command }),
    cmd_args: [...args],
    transport: speaks === 'http' ? 'streamable-http' : speaks,
    ...(port !== undefined && { port }),
    ...(target !== undefined && { target_port: target }),
    env_vars: { ...env },
    secrets: variables.map((name) => `${name},target=${name}`),
    volumes: volumes.map(volumeText),
    permission_profile: profileOf(permission),
    isolate_network: permission?.network !== 'full',
  };
}

export const volumeText = ({ source, target, readOnly }: Volume): string =>
  `${source}:${target}${readOnly ? ':ro' : ''}`;

function profileOf(permission: PermissionProfile | undefined): Json {
  const { network = 'none', read = [], write = [] } = permission ?? {};
  const allow = typeof network === 'object' ? network.allow : [];
  const split = allow.map((entry) => /^(.+?)(?::(\d+))?$/.exec(entry) ?? []);
  return {
    read: [...read],
    write: [...write],
    network: {
      outbound: {
        insecure_allow_all: network === 'full',
        allow_host: [...new Set(split.map(([, host = '']) => host.replace(/^\*/, '')))],
        allow_port: [...new Set(split.flatMap(([, , port]) => (port === undefined ? [] : [Number(port)])))],
      },
    },
  };
}

/** ToolHive's permission profile (REQUIREMENTS S2.13). What it knows and we don't is refused, not left out. */
export const toolHiveProfile = z
  .strictObject({
    name: z.string().max(256).optional(),
    read: z.array(z.string()).max(50).optional(),
    write: z.array(z.string()).max(50).optional(),
    network: z
      .strictObject({
        mode: z.string().max(64).optional(),
        outbound: z
          .strictObject({
            insecure_allow_all: z.boolean().optional(),
            allow_host: z
              .array(z.string().regex(/^\.?[A-Za-z0-9.-]+$/))
              .max(100)
              .optional(),
            allow_port: z.array(z.int().min(1).max(65_535)).max(20).optional(),
          })
          .optional(),
        inbound: z.strictObject({ allow_host: z.array(z.string()).max(100).optional() }).optional(),
      })
      .optional(),
    privileged: z.literal(false, { error: 'is never given: a privileged container is the machine itself' }).optional(),
  })
  .transform(permissionOf);

interface GivenProfile {
  readonly read?: readonly string[] | undefined;
  readonly write?: readonly string[] | undefined;
  readonly network?:
    | {
        readonly mode?: string | undefined;
        readonly outbound?:
          | {
              readonly insecure_allow_all?: boolean | undefined;
              readonly allow_host?: readonly string[] | undefined;
              readonly allow_port?: readonly number[] | undefined;
            }
          | undefined;
      }
    | undefined;
}

function permissionOf({ read, write, network }: GivenProfile): z.output<typeof permissionProfile> {
  const { insecure_allow_all: all = false, allow_host: hosts = [], allow_port: ports = [] } = network?.outbound ?? {};
  // `.example.com` there is `*.example.com` here. Without ports: any.
  const names = hosts.map((host) => (host.startsWith('.') ? `*${host}` : host));
  const allow = ports.length === 0 ? names : names.flatMap((name) => ports.map((port) => `${name}:${port}`));
  const some = allow.length === 0 ? ('none' as const) : { allow };
  return {
    network: all ? 'full' : some,
    ...(read && read.length > 0 && { read: [...read] }),
    ...(write && write.length > 0 && { write: [...write] }),
  };
}
