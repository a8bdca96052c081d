/** The commands `backup` and `restore`, as commander knows them. */
import type { Command } from 'commander';
import type { Io } from './io.ts';

export function addBackup(program: Command, io: Io, version: string): void {
  program
    .command('backup')
    .description('write everything that is in the database into one file')
    .argument('<file>', 'that is not there yet')
    .option('--show', 'say what is in one that is there, and whether it is whole')
    .option('--json', 'print JSON')
    .action(async (file, options) => {
      const { backUp, showBackup } = await import('./backup.ts');
      await (options.show ? showBackup(io, file, options) : backUp(io, file, { ...options, version }));
    });
  program
    .command('restore')
    .description('put a backup into an unused database: all of it, or nothing')
    .argument('<file>', 'as `backup` wrote it')
    .option('--dry-run', 'read and check it, and look whether the database would take it')
    .option('--verify', 'check counts, the trail and whether credentials open; with --dry-run of the file alone')
    .option('--replace', 'remove what is in the database first')
    .option('--json', 'print JSON')
    .action(async (file, options) => (await import('./backup.ts')).restore(io, file, options));
}
