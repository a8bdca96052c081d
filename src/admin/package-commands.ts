/**
 * `npx package@1.2.3` and `uvx package==1.2.3` in definitions, as catalogues and configurations of clients have them: which
 * package that is, and the installed program that runs in its place. Nothing is downloaded when a server is called
 * (SECURITY G13).
 */
import { basename } from 'node:path';
import { GatehouseError } from '#core/error.ts';
import type { ProcessTransport, StdioTransport } from '#core/transport.ts';
import { exactNpm, exactPypi, splitNpm, splitPypi } from './imports/packages.ts';
import type { FindProgram, ProgramPackage } from './server-programs.ts';

/** What it names, and the arguments after it; undefined: no such command. `problem`: it names no exact version. */
export interface PackageCommand {
  readonly program: ProgramPackage | undefined;
  readonly spec: string;
  readonly args: readonly string[];
  readonly problem: string | undefined;
}

const quietFlags = new Set(['-y', '--yes', '-q', '--quiet', '--']);

export function readPackageCommand(command: string, args: readonly string[]): PackageCommand | undefined {
  const name = basename(command).replace(/\.cmd$/, '');
  const from = name === 'npx' || name === 'bunx' ? 'npm' : name === 'uvx' ? 'pypi' : undefined;
  if (!from) return undefined;
  const at = args.findIndex((one) => !quietFlags.has(one));
  const spec = args[at] ?? '';
  const rest = at < 0 ? [] : args.slice(at + 1);
  const program = spec.startsWith('-') ? undefined : packageOf(from, spec);
  return {
    ...{ program: program && 'name' in program ? program : undefined, spec, args: rest },
    problem: program && 'problem' in program ? program.problem : undefined,
  };
}

/** `npm`: `name@1.2.3`; `pypi`: `name==1.2.3`. */
export function packageOf(from: 'npm' | 'pypi', spec: string): ProgramPackage | { readonly problem: string } {
  const { name, version = '' } = from === 'npm' ? splitNpm(spec) : splitPypi(spec);
  const exact = from === 'npm' ? exactNpm(name, version) : exactPypi(name, version);
  return 'problem' in exact ? exact : { from, name, version, isExact: true };
}

type Program = StdioTransport | ProcessTransport;

/**
 * The same server as it is installed here. Throws GatehouseError `upstream_unreachable` for what isn't, or names no exact
 * version: its cause says what to do.
 */
export function asInstalled<T extends Program>(transport: T, find: FindProgram): T {
  const found = readPackageCommand(transport.command, transport.args);
  if (!found) return transport;
  const { program, spec, args, problem } = found;
  if (!program)
    throw unusable(problem ?? `${transport.command} with flags of its own is not run: name the package only`);
  const installed = find(program);
  if (!installed) throw unusable(`${spec} is not installed: gatehouse servers install ${spec}`);
  const permission = transport.permission ?? { network: 'none' };
  return {
    ...transport,
    command: installed.command,
    args: [...installed.args, ...args],
    permission: { ...permission, read: [...(permission.read ?? []), ...installed.reads] },
  };
}

const unusable = (message: string) => new GatehouseError('upstream_unreachable', { cause: new Error(message) });
