/** The commands for whoever keeps a gateway running: registrations, what has expired, figures, certificates. */
import type { Command } from 'commander';
import type { Io } from './io.ts';

export function addOperatorCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const registration = program
    .command('registration')
    .description('OAuth clients that registered themselves, such as editors and assistants');
  remote(registration.command('list').alias('ls'))
    .description('list registrations, the newest first')
    .option('--search <text>', 'part of the id, name or where it sends people')
    .action(async (options) => (await import('./operator.ts')).listRegistrations(io, options));
  remote(registration.command('remove').alias('rm'))
    .description('remove a registration with all of its tokens: the client registers anew')
    .argument('[id]', 'as in `registration list`')
    .option('--search <text>', 'instead: all that `registration list --search` shows')
    .option('--all', 'instead: every one')
    .action(async (id, options) => (await import('./operator.ts')).removeRegistrations(io, id, options));
  remote(program.command('purge'))
    .description('remove expired registrations, tokens and sessions now; the gateway does it by itself, later')
    .option('--dry-run', 'only count them')
    .action(async (options) => (await import('./operator.ts')).purge(io, options));
  remote(program.command('stats'))
    .description('how much there is of everything, and the calls of the last day')
    .action(async (options) => (await import('./operator.ts')).showStatistics(io, options));
  program
    .command('certificate')
    .description('look at the TLS certificate of the gateway as clients see it: name, issuer, days left')
    .argument('[url]', 'of any server, or its name (default: BASE_URL)')
    .option('--json', 'print JSON')
    .action(async (url, options) => (await import('./certificate.ts')).showCertificate(io, url, options));
}
