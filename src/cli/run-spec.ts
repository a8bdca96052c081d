/** What `gatehouse run` was asked to run, as a server's definition. */
import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { basename, delimiter, isAbsolute, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { toolHiveProfile } from '#admin/run-export.ts';
import { permissionProfile, secretName } from '#admin/transport-nouns.ts';
import { looksSecret } from '#core/looks-secret.ts';
import type { Volume } from '#core/run.ts';
import { type Io, UsageError } from './io.ts';

export interface SpecOptions {
  readonly transport: 'stdio' | 'streamable-http' | 'sse';
  readonly targetPort?: number;
  readonly env?: readonly string[];
  readonly volume?: readonly string[];
  readonly permission?: string;
  readonly permissionProfile?: string;
  readonly stateless?: boolean;
  readonly image?: boolean;
  readonly command?: boolean;
}

export interface Variables {
  /** Part of the definition. */
  readonly plain: Readonly<Record<string, string>>;
  /** To be sealed. */
  readonly secret: Readonly<Record<string, string>>;
}

/** Throws UsageError. */
export function transportOf(
  io: Io,
  { what, args, env }: { readonly what: string; readonly args: readonly string[]; readonly env: Variables['plain'] },
  options: SpecOptions,
) {
  const common = {
    ...{ args: [...args], env: { ...env } },
    state: options.stateless ? ('stateless' as const) : ('stateful' as const),
    permission: permissionOf(io, options.permission ?? options.permissionProfile),
    ...(options.volume && { volumes: options.volume.map((text) => volumeOf(io, text)) }),
  };
  const { transport, targetPort } = options;
  const speaks = transport === 'streamable-http' ? ('http' as const) : transport;
  const port = targetPort === undefined ? {} : { port: targetPort };
  if (isImage(io, what, options)) {
    if (speaks !== 'stdio' && targetPort === undefined)
      throw new UsageError('Say where it listens in the container: --target-port');
    return { kind: 'container' as const, image: what, speaks, ...port, ...common };
  }
  const command = findCommand(io, what);
  if (speaks === 'stdio') return { kind: 'stdio' as const, command, ...common };
  return { kind: 'process' as const, command, speaks, path: speaks === 'sse' ? '/sse' : '/mcp', ...port, ...common };
}

/** After what is run: `ghcr.io/github/github-mcp-server:latest` is `github-mcp-server`. */
export function nameOf(what: string): string {
  const name = basename(what.replace(/@.*$/, '').replace(/:[^/]*$/, ''))
    .toLowerCase()
    .replace(/\.[a-z]+$/, '')
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  if (name !== '') return name.slice(0, 63);
  throw new UsageError('Give it a name: --name NAME');
}

function isImage(io: Io, what: string, { image, command }: SpecOptions): boolean {
  if (image && command) throw new UsageError('It is --image or --command, not both');
  if (image || command) return image === true;
  if (/^(?:npx|uvx|go):\/\//.test(what))
    throw new UsageError('Nothing is downloaded when a server starts: install the package, and name its command');
  if (/^https?:\/\//.test(what))
    throw new UsageError('A remote server is not run: add it to `servers` in gatehouse.yaml, kind http');
  if (isAbsolute(what) || /^\.{1,2}\//.test(what)) return false;
  return /[/:]/.test(what) && !existsSync(resolve(io.cwd, what));
}

/** Absolute: what is agreed to is what is started, whatever PATH the gateway has. */
function findCommand(io: Io, what: string): string {
  const places = what.includes('/')
    ? [resolve(io.cwd, what)]
    : (io.env.PATH ?? '').split(delimiter).flatMap((folder) => (isAbsolute(folder) ? [join(folder, what)] : []));
  const found = places.find(isExecutable);
  if (found !== undefined) return found;
  throw new UsageError(`There is no command "${what}" here: correct it, or add --image if it is one`);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function volumeOf(io: Io, text: string): Volume {
  const [, source, target, mode] = /^([^:]+):([^:]+)(?::(ro|rw))?$/.exec(text) ?? [];
  if (source === undefined || target === undefined || !isAbsolute(target))
    throw new UsageError(`The volume "${text}" must be HOST:TARGET or HOST:TARGET:ro, TARGET an absolute path`);
  return { source: resolve(io.cwd, source), target: resolve(target), readOnly: mode === 'ro' };
}

function permissionOf(io: Io, wish = 'none'): z.output<typeof permissionProfile> {
  if (wish === 'none') return { network: 'none' };
  if (wish === 'network') return { network: 'full' };
  const given = readData(io, wish, '--permission');
  const own = permissionProfile.safeParse(given);
  if (own.success) return own.data;
  const theirs = toolHiveProfile.safeParse(given);
  if (theirs.success) return permissionProfile.parse(theirs.data);
  const { path = [], message = '' } = theirs.error.issues[0] ?? {};
  throw new UsageError(`The permission profile ${wish} is wrong: ${path.join('.') || 'it'} ${message}`);
}

const overridesFile = z.strictObject({
  toolsOverride: z.record(
    z.string(),
    z.strictObject({ name: z.string().optional(), description: z.string().optional() }),
  ),
});

export function readOverrides(io: Io, file: string) {
  const parsed = overridesFile.safeParse(readData(io, file, '--tools-override'));
  if (parsed.success) return parsed.data.toolsOverride;
  throw new UsageError(`The file ${file} must be {toolsOverride: {tool: {name, description}}}`);
}

/** JSON is YAML, too. */
function readData(io: Io, file: string, option: string): unknown {
  const text = io.readFile(resolve(io.cwd, file));
  if (text === undefined) throw new UsageError(`There is no file ${file}: correct ${option}`);
  try {
    return parse(text, { maxAliasCount: 10 });
  } catch {
    throw new UsageError(`The file ${file} is neither JSON nor YAML`);
  }
}

/** `-e NAME` alone takes the value from here and keeps it secret, as one that looks so. Throws UsageError. */
export function readEnv(io: Io, given: readonly string[] = []): Variables {
  const plain: Record<string, string> = {};
  const secret: Record<string, string> = {};
  for (const text of given) {
    const [, name = '', value] = /^([^=]*)(?:=([\s\S]*))?$/.exec(text) ?? [];
    if (!/^[A-Z][A-Z0-9_]{0,63}$/.test(name))
      throw new UsageError(`The variable "${printableName(name)}" must be of the form [A-Z][A-Z0-9_]*`);
    if (value === undefined) secret[name] = fromEnvironment(io, name);
    else if (secretName.test(name) || looksSecret(value)) {
      secret[name] = value;
      io.err(
        `${name} looks like a secret: it is sealed. Others on this machine may have seen it: say -e ${name} alone.\n`,
      );
    } else plain[name] = value;
  }
  return { plain, secret };
}

const printableName = (name: string) => name.slice(0, 64).replace(/[^\x20-\x7e]/g, '?');

export function fromEnvironment(io: Io, name: string): string {
  const value = io.env[name];
  if (value) return value;
  throw new UsageError(`${name} is not set: export it with its value`);
}
