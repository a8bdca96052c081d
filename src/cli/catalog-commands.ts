/** `catalog` and `import`: servers that somebody else has described. */
import { type Command, Option } from 'commander';
import { systems } from '#admin/imports/systems/names.ts';
import { commaList } from './flags.ts';
import { type Io, UsageError } from './io.ts';

export function addCatalogCommands(program: Command, io: Io, remote: (command: Command) => Command): void {
  const catalog = program.command('catalog').description('well-known servers, ready to be added');
  const where = (command: Command) =>
    remote(command)
      .option('--org <organization>', 'slug or id')
      .addOption(new Option('--organization <organization>').hideHelp());
  where(catalog.command('list').alias('ls'))
    .description('list the catalogue')
    .action(async (options) => (await import('./catalog.ts')).listCatalog(io, named(options)));
  where(catalog.command('show'))
    .description('show one of its servers, with the command that it would run')
    .argument('<key>', 'as in `catalog list`')
    .action(async (key, options) => (await import('./catalog.ts')).showEntry(io, key, named(options)));
  where(catalog.command('add'))
    .description('add one of its servers to an organization')
    .argument('<key>', 'as in `catalog list`')
    .option('--as <key>', 'under another key')
    .option('--key-env <name>', 'variable that holds its key')
    .option('--key-file <file>', 'file that holds its key (default: asked for)')
    .option('--endpoint <url>', 'where it is, if that differs from account to account')
    .option('--all-members', 'every member may use it')
    .option('--yes', 'agree to the command that is shown')
    .action(async (key, options) => (await import('./catalog.ts')).addEntry(io, key, named(options)));
  addImport(where, program, io);
}

function addImport(where: (command: Command) => Command, program: Command, io: Io): void {
  where(program.command('import'))
    .description(
      'import servers (server.json, the file of a client, an address of one, or registry:NAME[@VERSION]), or with --from all that another gateway has',
    )
    .argument('<source>', 'file, URL, registry:namespace/name, or - for standard input; with --from see the guide')
    .argument('[more...]', 'with --from: further ones')
    .option('--from <system>', `another gateway: ${systems.join(', ')}`)
    .option('--servers <keys>', 'only these, comma list', commaList)
    .option('--as <key>', 'under another key')
    .option('--set <NAME=VALUE>', 'what it needs and is no secret; secrets are read from variables', gathered, [])
    .addOption(new Option('--network <what>', 'of programs').choices(['none', 'full']))
    .option('--all-members', 'every member may use them')
    .option('--dry-run', 'show all, make nothing')
    .option('--yes', 'agree to the commands that are shown')
    .addHelpText('after', sourcesOfSystems)
    .action(async (source, more, options) => {
      const wish = named(options);
      if (options.from !== undefined)
        return (await import('./import-system.ts')).importSystem(io, [source, ...more], wish);
      if (more.length > 0) throw new UsageError('Give one source');
      return (await import('./import.ts')).importServers(io, source, wish);
    });
}

const sourcesOfSystems = `
With --from (docs/guide/coming-over.md):
  open-webui, clerk   postgresql://… of its database, or env:NAME for the variable that has it
  ragie-workos        the same, or its mapping file
  entra-toolhive      its folder: .env, Cedar files, what \`thv export\` wrote
  github-oauth        its folder, and redis://…, env:NAME or a backup in JSON
`;

const gathered = (value: string, before: readonly string[]): readonly string[] => [...before, value];

/** Both spellings mean the same. */
function named<T extends { readonly organization?: string; readonly org?: string }>(options: T): T {
  return options.organization === undefined ? options : { ...options, org: options.organization };
}
