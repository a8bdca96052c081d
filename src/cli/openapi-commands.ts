/** The commands of `openapi` as commander knows them. */
import type { Command } from 'commander';
import { commaList } from './flags.ts';
import type { Io } from './io.ts';

export function addOpenApiCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const openapi = program.command('openapi').description('REST APIs as servers, from their OpenAPI documents');
  const own = (command: Command) =>
    remote(command).option('--organization <organization>', "an organization's own, not the platform's");
  const choosing = (command: Command) =>
    own(command)
      .option('--tags <tags>', 'operations with one of these tags', commaList)
      .option('--methods <methods>', 'operations of these methods, such as get,post', commaList)
      .option('--include <patterns>', 'operation ids or paths, such as issues/*,/repos/*', commaList)
      .option('--exclude <patterns>', 'as --include, left out', commaList)
      .option('--deprecated', 'also operations that the document calls deprecated');
  choosing(openapi.command('preview'))
    .description('show the tools that a document would make')
    .argument('<file-or-url>', 'JSON or YAML')
    .action(async (where, options) => (await import('./openapi.ts')).previewOpenApi(io, where, options));
  choosing(openapi.command('add'))
    .description('make a server of a document')
    .argument('<file-or-url>', 'JSON or YAML')
    .requiredOption('--name <key>', "the server's key")
    .option('--title <title>', 'for people')
    .option('--base-url <url>', 'where requests go (default: what the document says)')
    .option('--key-env <variable>', 'variable that holds the credential for it (with --organization)')
    .option('--all-members', 'every member of the organization may use it')
    .action(async (where, options) => (await import('./openapi.ts')).addOpenApi(io, where, options));
  choosing(openapi.command('update'))
    .description('give a server another version of its document')
    .argument('<server>', 'its key')
    .argument('<file-or-url>', 'JSON or YAML')
    .option('--base-url <url>', 'where requests go (default: as before)')
    .option('--dry-run', 'show what would change')
    .action(async (server, where, options) => (await import('./openapi.ts')).updateOpenApi(io, server, where, options));
  own(openapi.command('list').alias('ls'))
    .description('list documents and the servers made from them')
    .action(async (options) => (await import('./openapi.ts')).listOpenApi(io, options));
  own(openapi.command('remove').alias('rm'))
    .description('remove a document that no server uses')
    .argument('<digest>', 'as in `openapi list`')
    .action(async (digest, options) => (await import('./openapi.ts')).removeOpenApi(io, digest, options));
}
