/**
 * The servers that come along by name (REQUIREMENTS S1.33): a variable each switches them on. Builtin ones need nothing;
 * the others are official programs that are installed beforehand, at an exact version, and never downloaded when they
 * are called (SECURITY G13).
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { settingError } from '#core/error.ts';
import { noNetwork, type RunOptions } from '#core/run.ts';
import type { ServerTransport } from '#core/transport.ts';
import type { FindProgram, ProgramPackage } from './server-programs.ts';

/** What the variables of one server say. */
export interface NamedWish {
  /** As in REQUIREMENTS: with `mcp-`. */
  readonly name: string;
  /** Of the variable: `ECHO_STATEFUL` of MCP_ECHO_STATEFUL_ENABLED. */
  readonly variable: string;
  readonly enabled: boolean | undefined;
  /** False: `gatehouse check` leaves it out. True: the check takes only those. */
  readonly tested: boolean | undefined;
  /** Where `gatehouse check` calls it; empty: at the gateway's own address of it. */
  readonly urls: readonly string[];
  /** Folder of the host, absolute. */
  readonly volume: string | undefined;
}

interface Places {
  readonly find: FindProgram;
  /** Absolute. */
  readonly dataDir: string;
  /** Programs see the folders of their definition only, at the places that it names. */
  readonly isolated: boolean;
}

interface Named {
  readonly name: string;
  readonly title: string;
  readonly protocolVersion: string;
  /** Undefined: builtin only. */
  readonly program?: ProgramPackage;
  /** Serves in the place of a program that isn't installed, or is the server itself. */
  readonly builtin?: string;
  readonly run?: (folder: () => Folder) => Partial<RunOptions> & { readonly args?: readonly string[] };
  /** It listens itself. */
  readonly listens?: true;
}

/** A folder of its own, and where its program sees it. */
interface Folder {
  readonly source: string;
  /** The path that it is told. */
  readonly seen: string;
}

const npm = (name: string, version: string): ProgramPackage => ({ from: 'npm', name, version });
const pypi = (name: string, version: string): ProgramPackage => ({ from: 'pypi', name, version });
const volumeOf = ({ source, seen }: Folder) => ({ volumes: [{ source, target: seen, readOnly: false }] });
const official = '@modelcontextprotocol/server-';

export const namedServers: readonly Named[] = [
  {
    ...{ name: 'mcp-fetch', title: 'Web pages as text', protocolVersion: '2025-03-26', builtin: 'fetch' },
    program: pypi('mcp-server-fetch', '2026.10.24'),
    run: () => ({ state: 'stateless', permission: { network: 'full' } }),
  },
  {
    ...{ name: 'mcp-filesystem', title: 'Files of one folder', protocolVersion: '2025-03-26' },
    program: npm(`${official}filesystem`, '2026.8.31'),
    run: (folder) => ({ args: [folder().seen], ...volumeOf(folder()), permission: noNetwork }),
  },
  {
    ...{ name: 'mcp-memory', title: 'Knowledge graph', protocolVersion: '2024-11-05' },
    program: npm(`${official}memory`, '2026.8.31'),
    // One program, for it rewrites its one file.
    run: (folder) => ({
      env: { MEMORY_FILE_PATH: join(folder().seen, 'memory.json') },
      ...{ ...volumeOf(folder()), state: 'stateless', permission: noNetwork },
    }),
  },
  {
    ...{ name: 'mcp-time', title: 'Time and time zones', protocolVersion: '2025-03-26', builtin: 'time' },
    program: pypi('mcp-server-time', '2026.10.19'),
    run: () => ({ state: 'stateless', permission: noNetwork }),
  },
  {
    ...{ name: 'mcp-everything', title: 'Everything of the protocol', protocolVersion: '2025-06-18', listens: true },
    program: npm(`${official}everything`, '2026.8.31'),
    run: () => ({ args: ['streamableHttp'], state: 'stateless', permission: noNetwork }),
  },
  {
    ...{ name: 'mcp-playwright', title: 'A browser', protocolVersion: '2025-06-18' },
    program: npm('@playwright/mcp', '0.0.83'),
    run: () => ({ args: ['--headless', '--isolated'], permission: { network: 'full' } }),
  },
  {
    ...{ name: 'mcp-sequentialthinking', title: 'Thinking step by step', protocolVersion: '2024-11-05' },
    program: npm(`${official}sequential-thinking`, '2026.8.31'),
    run: () => ({ permission: noNetwork }),
  },
  {
    ...{ name: 'mcp-tmux', title: 'Terminals in tmux', protocolVersion: '2025-06-18' },
    program: { from: 'gatehouse', name: 'tmux', version: '' },
    run: () => ({ permission: noNetwork }),
  },
  { name: 'mcp-fetchs', title: 'Web pages as text, native', protocolVersion: '2025-06-18', builtin: 'fetch' },
  {
    ...{ name: 'mcp-echo-stateful', title: 'Echo, one session per client', protocolVersion: '2025-06-18' },
    builtin: 'echo-stateful',
  },
  {
    ...{ name: 'mcp-echo-stateless', title: 'Echo, no sessions', protocolVersion: '2025-06-18' },
    builtin: 'echo-stateless',
  },
];

/** `MCP_{this}_ENABLED`. */
export const variableOf = (name: string): string => name.replace(/^mcp-/, '').replaceAll('-', '_').toUpperCase();

export interface NamedDefinition {
  readonly key: string;
  readonly title: string;
  readonly transport: ServerTransport;
}

/** Undefined: no server that comes along. Throws GatehouseError `setting` with what to install. */
export function defineNamed(wish: NamedWish, places: Places): NamedDefinition | undefined {
  const named = namedServers.find(({ name }) => name === wish.name);
  return named && { key: named.name, title: named.title, transport: transportOf(named, wish, places) };
}

function transportOf(named: Named, wish: NamedWish, { find, ...places }: Places): ServerTransport {
  const { program, builtin, protocolVersion } = named;
  const found = program && find(program);
  if (!program || (!found && builtin !== undefined)) return { kind: 'builtin', name: builtin ?? '', protocolVersion };
  if (!found) {
    throw settingError(
      `MCP_${wish.variable}_ENABLED needs ${program.name}: install it with \`gatehouse servers install ${named.name}\``,
    );
  }
  const { args = [], ...run } = named.run?.(() => folderOf(named, wish, places)) ?? {};
  const defaults: RunOptions = { env: {}, state: 'stateful' };
  const common = {
    command: found.command,
    args: [...found.args, ...args],
    ...{ ...defaults, ...run, protocolVersion },
    permission: { ...(run.permission ?? noNetwork), ...(found.reads.length > 0 && { read: found.reads }) },
  };
  return named.listens ? { kind: 'process', speaks: 'http', path: '/mcp', ...common } : { kind: 'stdio', ...common };
}

function folderOf({ name }: Named, { volume }: NamedWish, { dataDir, isolated }: Omit<Places, 'find'>): Folder {
  const source = volume ?? join(dataDir, 'servers', name);
  mkdirSync(source, { recursive: true, mode: 0o700 });
  return { source, seen: isolated ? (name === 'mcp-memory' ? '/data' : '/workspace') : source };
}
