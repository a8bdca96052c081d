/** The commands about secrets: what servers are reached with, and the keys that seal it. */
import { type Command, Option } from 'commander';
import type { Io } from './io.ts';

export function addSecretsCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const secrets = program.command('secrets').description('the keys that seal what is stored');
  remote(secrets.command('status'))
    .description('which keys seal what, and what is left of older ones')
    .option('--org <organization>', 'slug or id (default: all)')
    .action(async (options) => (await import('./secrets.ts')).showSecrets(io, options));
  remote(secrets.command('rotate'))
    .description('rotate keys while calls run')
    .addOption(
      new Option('--level <level>', 'kek: wrap data keys anew; dek: new data keys; fields: finish an earlier one')
        .choices(['kek', 'dek', 'fields', 'all'])
        .default('all'),
    )
    .option('--org <organization>', 'slug or id (default: all)')
    .action(async (options) => (await import('./secrets.ts')).rotateSecrets(io, options));
}

export function addFilterCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const filter = program.command('filter').description('what is looked for in arguments and results');
  const where = (command: Command) => remote(command).option('--org <organization>', 'slug or id');
  where(filter.command('list').alias('ls'))
    .description('list content filters')
    .action(async (options) => (await import('./filter.ts')).listFilters(io, options));
  where(filter.command('set'))
    .description('put a content filter into force')
    .argument('<name>')
    .requiredOption('--kind <kind>', 'secrets, personal-data, size or pattern')
    .addOption(
      new Option('--action <action>', 'what becomes of a message that it finds something in')
        .choices(['block', 'redact', 'flag'])
        .makeOptionMandatory(),
    )
    .addOption(
      new Option('--looks-at <what>', 'what it reads').choices(['arguments', 'results', 'both']).default('both'),
    )
    .option('--config <json>', 'such as {"maxBytes":100000}')
    .option('--server <key>', 'only of this server')
    .option('--collection <name>', 'only of this collection')
    .action(async (name, options) => (await import('./filter.ts')).setFilter(io, name, options));
  where(filter.command('remove').alias('rm'))
    .description('remove a content filter')
    .argument('<name>')
    .action(async (name, options) => (await import('./filter.ts')).removeFilter(io, name, options));
}

export function addShred(org: Command, io: Io, remote: (command: Command) => Command): void {
  remote(org.command('shred'))
    .description('end an organization and destroy its keys: nothing that was sealed for it opens again')
    .argument('<organization>', 'slug or id')
    .requiredOption('--confirm <slug>', 'its slug once more')
    .action(async (organization, options) =>
      (await import('./secrets.ts')).shredOrganization(io, organization, options),
    );
}

export function addCredentialCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const credential = program
    .command('credential')
    .description('what groups reach servers with: keys and addresses of their own');
  const where = (command: Command) =>
    remote(command)
      .option('--org <organization>', 'slug or id')
      .option('--group <name>', 'whose it is (default: of whoever no group decides for)')
      .option('--key-name <name>', 'which of several, where the server asks for one by name');
  remote(credential.command('list').alias('ls'))
    .description('list them; values are never shown')
    .option('--org <organization>', 'slug or id')
    .option('--server <key>', 'only of this server')
    .action(async (options) => (await import('./credential.ts')).listCredentials(io, options));
  where(credential.command('set'))
    .description('give a group a key for a server, another address of it, or both')
    .argument('<server>', 'as in `server list`')
    .option('--value-env <name>', 'variable that holds the key')
    .option('--header <name>', 'header that it goes out in (default: authorization, "Bearer {}")')
    .option('--template <text>', 'what the header says, {} for the key (default: {})')
    .option('--endpoint <url>', "address in the place of the server's own; the key goes nowhere else")
    .option('--keep', 'the key that is there stays (the address too)')
    .action(async (server, options) => (await import('./credential.ts')).setCredential(io, server, options));
  where(credential.command('remove').alias('rm'))
    .description('remove key and address')
    .argument('<server>', 'as in `server list`')
    .action(async (server, options) => (await import('./credential.ts')).removeCredential(io, server, options));
}
