/** `import --from SYSTEM`: another gateway's data and settings become this one's (docs/guide/coming-over.md). */
import { resolve } from 'node:path';
import { findRunning } from '#admin/gateway-file.ts';
import { type System, systems } from '#admin/imports/systems/names.ts';
import { type ImportReport, importSystem as run } from '#app/import-system.ts';
import { loadConfig } from '#config/load.ts';
import { GatehouseError } from '#core/error.ts';
import { paintFor } from './color.ts';
import { type Io, UsageError } from './io.ts';
import { printable, printJson } from './output.ts';
import { accessLines, changeLines, counted } from './plan.ts';
import { openPrompts } from './prompts.ts';

export interface ImportSystemOptions {
  readonly from: string;
  readonly org?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
  readonly url?: string;
}

export async function importSystem(io: Io, sources: readonly string[], options: ImportSystemOptions): Promise<void> {
  const system = systems.find((name) => name === options.from);
  if (system === undefined) throw new UsageError(`--from must be one of ${systems.join(', ')}`);
  if (options.url !== undefined)
    throw new UsageError('--from works on the database itself: run it where the gateway runs, without --url');
  const config = loadConfig(io);
  if (config.database.url === undefined && (await findRunning(config.dataDir)))
    throw new UsageError('The gateway has its embedded database open: stop it first');
  const wish = {
    ...{ system, organization: options.org, readFile: io.readFile, env: io.env },
    sources: sources.map((source) => sourceOf(io, source)),
  };
  const ask = async (plan: ImportReport) => {
    if (!options.json) show(io, plan, system);
    return confirm(io);
  };
  const isAsked = options.dryRun !== true && options.yes !== true;
  const report = await run(config, wish, isAsked ? ask : options.dryRun !== true);
  if (options.json) return printJson(io, report);
  if (!isAsked || report.changes.length === 0) show(io, report, system);
  if (report.applied) io.err(`Imported: ${counted(report)}.\n`);
}

/** A URL has a password, and whoever lists processes sees it: `env:NAME` says where it is instead. */
function sourceOf(io: Io, source: string): string {
  const [, name] = /^env:(\w+)$/.exec(source) ?? [];
  const value = name === undefined ? source : io.env[name];
  if (!value) throw new UsageError(`The variable ${name} is not set`);
  return /^[a-z]+:\/\//.test(value) ? value : resolve(io.cwd, value);
}

async function confirm(io: Io): Promise<boolean> {
  if (!io.inIsTerminal) throw new UsageError('Nobody can be asked here: look at it with --dry-run, then give --yes');
  const prompts = openPrompts(io);
  try {
    if ((await prompts.required('Import this? Only "yes" is: ')) === 'yes') return true;
    throw new GatehouseError('setting', { message: 'Nothing was changed' });
  } finally {
    prompts.close();
  }
}

function show(io: Io, report: ImportReport, system: System): void {
  const { changes, leftOut, settings, commands } = report;
  const paint = paintFor(io);
  for (const { what, reason } of leftOut) io.err(`Left out: ${printable(`${what}: ${reason}`)}\n`);
  for (const { name, advice } of settings) io.err(`Setting ${printable(`${name}: ${advice}`)}\n`);
  if (changes.length === 0) {
    io.out(`Nothing to change: what can come from ${system} is here.\n`);
    return;
  }
  io.out(`${changeLines(report, paint).join('\n')}\n\n${accessLines(report, paint).join('\n')}\n\n`);
  for (const command of commands) io.out(`Runs here, for ${printable(command)}\n`);
  io.out(`${paint('bold', 'Import:')} ${counted(report)}.\n`);
}
