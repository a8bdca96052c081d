/** Commands for whoever sets a gateway up: `init`, `doctor`, `completion`. */
import { type Command, Option } from 'commander';
import { portNumber } from './flags.ts';
import type { Io } from './io.ts';

export function addSetup(program: Command, io: Io): void {
  program
    .command('init')
    .description('write gatehouse.yaml and .env for a new gateway, asking for what no flag says')
    .option('--dir <folder>', 'where to write them', '.')
    .option('--org <slug>', 'first organization (default: main)')
    .option('--name <name>', 'its name for people')
    .option('--base-url <url>', 'where clients reach the gateway')
    .option('--port <port>', 'port to listen on', portNumber)
    .option('--database <url>', 'PostgreSQL (default: a file in the data directory)')
    .option('--server <url>', 'a first MCP server')
    .option('-y, --yes', 'ask nothing')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./init.ts')).init(io, options));
  program
    .command('doctor')
    .description('check settings, database, identity providers, clocks and servers; or any MCP address')
    .argument('[url]', 'an MCP address to look at instead')
    .option('--json', 'print JSON')
    .action(async (url, options) => (await import('./doctor.ts')).doctor(io, url, options));
  program
    .command('completion')
    .description('print completions: source <(gatehouse completion bash)')
    .argument('<shell>', 'bash, zsh or fish')
    .addOption(new Option('--json').hideHelp())
    .action(async (shell) => (await import('./completion.ts')).printCompletion(io, shell, program));
}
