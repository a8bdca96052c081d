/** `gatehouse limit …`, as commander knows it. */
import type { Command } from 'commander';
import { durationSeconds } from './flags.ts';
import type { Io } from './io.ts';

interface Making {
  readonly group: (program: Command, name: string, description: string) => Command;
  readonly remote: (command: Command) => Command;
}

export function addLimits(program: Command, io: Io, { group, remote }: Making): void {
  const limit = group(program, 'limit', 'how much an organization, its people, keys and tools may be asked');
  const org = ['--org <organization>', 'slug or id'] as const;
  remote(limit.command('list').alias('ls'))
    .description('list limits')
    .option(...org)
    .action(async (options) => (await import('./limit.ts')).listLimits(io, options));
  remote(limit.command('set'))
    .description('set a limit; one about the same takes its place')
    .option(...org)
    .option('--counts <whom>', 'principal (each caller, the default), organization (all together) or group')
    .option('--group <name>', 'for the members of this group')
    .option('--user <person>', 'for this person: e-mail address or id')
    .option('--api-key <id>', 'for this API key')
    .option('--server <key>', 'of calls to this server')
    .option('--tool <name>', "of calls of this tool, by the server's own name of it")
    .option('--points <number>', 'how many; 0: none')
    .option('--window <duration>', 'in how long: 60s (the default), 1h, 1d', durationSeconds)
    .option('--burst <number>', 'beyond that, at once, for whoever was quiet')
    .option('--concurrent <number>', 'how many at once')
    .action(async (options) => (await import('./limit.ts')).setLimit(io, options));
  remote(limit.command('remove').alias('rm'))
    .description('take a limit away')
    .argument('<id>')
    .option(...org)
    .action(async (id, options) => (await import('./limit.ts')).removeLimit(io, id, options));
  remote(limit.command('usage'))
    .description('show how much of a limit is used now')
    .argument('<id>')
    .option(...org)
    .option('--of <id>', 'of this key, person or group only')
    .action(async (id, options) => (await import('./limit.ts')).showLimitUsage(io, id, options));
}
