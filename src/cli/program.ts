/** The command line as commander knows it. Actions are imported when they run: `--help` loads none of them. */
import { Command } from 'commander';
import { addAccessCommands } from './access-commands.ts';
import { addAudit } from './audit-program.ts';
import { addBackup } from './backup-commands.ts';
import { addCatalogCommands } from './catalog-commands.ts';
import { addConfiguration } from './configuration-commands.ts';
import { commaList, durationSeconds, portNumber, roleList } from './flags.ts';
import { groupHelp } from './help-groups.ts';
import { type Io, UsageError } from './io.ts';
import { addLimits } from './limit-commands.ts';
import { addOpenApiCommands } from './openapi-commands.ts';
import { addOperatorCommands } from './operator-commands.ts';
import { exitCodeOf, printError } from './output.ts';
import { addOversightCommands } from './oversight-commands.ts';
import { addPolicies } from './policy-commands.ts';
import { addImages, addRuns } from './run-commands.ts';
import { addCredentialCommands, addFilterCommands, addSecretsCommands, addShred } from './secret-commands.ts';
import { addServerCommands } from './server-commands.ts';
import { addLogin, addSetup } from './setup-commands.ts';

/** Runs one command line (without node and script); answers the exit code. Never throws. */
export async function runCli(args: readonly string[], io: Io, version: string): Promise<number> {
  const program = buildProgram(io, version);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return 0;
  } catch (thrown) {
    printError(io, thrown, args.includes('--json'));
    return exitCodeOf(thrown);
  }
}

/** Every command, of which none has run. */
export function buildProgram(io: Io, version: string): Command {
  const program = new Command('gatehouse')
    .description('One door to every MCP server your organization uses')
    .version(version, '-v, --version')
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    // `run -v` is a volume, `-v` alone the version.
    .enablePositionalOptions()
    .showHelpAfterError('(run with --help for what is possible)')
    .showSuggestionAfterError();
  addServe(program, io, version);
  addRuns(program, io, remote);
  addImages(group(program, 'images', 'images of servers in containers'), io, remote);
  addSetup(program, io);
  addLogin(program, io, remote);
  addConfiguration(program, io, remote);
  addKeys(program, io);
  addClients(program, io);
  addSigningKeys(program, io);
  addPortal(program, io);
  addCalls(program, io, version);
  addOrganizations(program, io);
  addUsers(program, io);
  addLimits(program, io, { group, remote });
  addServers(program, io);
  addOpenApiCommands(program, io, remote);
  addServerCommands(program, io, remote);
  addCredentialCommands(program, io, remote);
  addSecretsCommands(program, io, remote);
  addFilterCommands(program, io, remote);
  addCatalogCommands(program, io, remote);
  addCollections(program, io);
  addAccessCommands(program, io, remote);
  addOversightCommands(program, io, remote);
  addPolicies(program, io);
  addDatabase(program, io);
  addBackup(program, io, version);
  addOperatorCommands(program, io, remote);
  addAudit(remote, group(program, 'audit', 'the trail of what happened'), { io, version });
  groupHelp(program);
  return program;
}

/** Every subcommand is told where the gateway is and how to print. */
function remote(command: Command): Command {
  return command
    .option('--url <url>', 'gateway to talk to (default: the one of this data directory)')
    .option('--key <key>', 'API key for --url (or GATEHOUSE_KEY)')
    .option('--json', 'print JSON');
}

function group(program: Command, name: string, description: string): Command {
  return program.command(name).description(description);
}

function addServe(program: Command, io: Io, version: string): void {
  program
    .command('serve', { isDefault: true })
    .description('start the gateway (the default)')
    .option('--host <address>', 'address to listen on (HOST)')
    .option('--port <port>', 'port to listen on, 0 for a free one (PORT)', portNumber)
    .option('--data-dir <folder>', 'data directory (DATA_DIR)')
    .option('--config <file>', 'configuration file (GATEHOUSE_CONFIG)')
    .option('--json', 'log as JSON lines, no banner')
    // As the default command it is also what a mistyped one arrives at.
    .allowExcessArguments()
    .action(async (options, { args: [extra] }: Command) => {
      if (extra !== undefined) throw new UsageError(`There is no command "${extra}": see \`gatehouse --help\``);
      await (await import('./serve.ts')).serve(io, options, version);
    });
}

function addKeys(program: Command, io: Io): void {
  const key = group(program, 'key', 'API keys');
  remote(key.command('create'))
    .description('make an API key and print it, once')
    .option('--org <organization>', 'slug or id')
    .option('--name <name>', 'what it is for (default: "command line" and a number)')
    .option('--roles <roles>', 'comma list', commaList, [])
    .option('--endpoints <names>', 'only these collections and servers, comma list', commaList)
    .option('--expires <duration>', 'such as 30d or 12h (default: until revoked)', durationSeconds)
    .option('--service-account <name>', 'the key acts as it')
    .action(async (options) => (await import('./key.ts')).createKey(io, options));
  remote(key.command('list').alias('ls'))
    .description('list API keys')
    .option('--org <organization>', 'slug or id')
    .option('--all', 'revoked ones too')
    .action(async (options) => (await import('./key.ts')).listKeys(io, options));
  remote(key.command('revoke').alias('rm'))
    .description('revoke an API key')
    .argument('<id>', 'as in `key list`')
    .option('--org <organization>', 'slug or id')
    .action(async (id, options) => (await import('./key.ts')).revokeKey(io, id, options));
}

function addClients(program: Command, io: Io): void {
  const client = group(program, 'client', 'OAuth clients for programs');
  remote(client.command('create'))
    .description('register a client and print its secret, once')
    .argument('<name>', 'what it is for')
    .option('--org <organization>', 'slug or id')
    .option('--grants <grants>', 'of client_credentials, token-exchange, jwt-bearer; comma list', commaList, [])
    .option('--scopes <scopes>', 'most that its tokens can have (default: mcp:read,mcp:write)', commaList)
    .option('--roles <roles>', 'its own in the organization, comma list', commaList, [])
    .option('--redirect-uris <urls>', 'where people who sign in through it are sent, comma list', commaList, [])
    .option('--introspects <resources>', 'whose tokens it may introspect, comma list of URLs', commaList, [])
    .option('--assertions-for <issuers>', 'identity assertions: issuer=client-id-there, comma list', commaList, [])
    .option('--jwks <file>', 'public keys it signs with, instead of a secret')
    .action(async (name, options) => (await import('./client.ts')).createClient(io, name, options));
  remote(client.command('list').alias('ls'))
    .description('list clients')
    .option('--org <organization>', 'slug or id')
    .action(async (options) => (await import('./client.ts')).listClients(io, options));
  remote(client.command('remove').alias('rm'))
    .description('remove a client; its tokens end')
    .argument('<id>', 'as in `client list`')
    .option('--org <organization>', 'slug or id')
    .action(async (id, options) => (await import('./client.ts')).removeClient(io, id, options));
}

function addSigningKeys(program: Command, io: Io): void {
  remote(group(program, 'signing-key', 'the keys that sign access tokens').alias('keys').command('rotate'))
    .description('make a new one: it is published now and signs in ten minutes, nothing fails meanwhile')
    .option('--at-once', 'the old one is no longer to be trusted: everybody signs in anew')
    .action(async (options) => (await import('./key.ts')).rotateSigningKey(io, options));
}

function addPortal(program: Command, io: Io): void {
  remote(group(program, 'admin', 'the portal').command('link'))
    .description('print a link that signs a browser in to the portal: once, within ten minutes')
    .action(async (options) => (await import('./admin-link.ts')).printPortalLink(io, options));
}

function addCalls(program: Command, io: Io, version: string): void {
  remote(program.command('tools'))
    .description('list the tools of an endpoint')
    .argument('[endpoint]', 'such as demo/everything, demo/ for all of demo, or any MCP URL', '/')
    .action(async (endpoint, options) => (await import('./call.ts')).listTools(io, endpoint, { ...options, version }));
  remote(program.command('call'))
    .description('call a tool')
    .argument('<endpoint>', 'such as demo/everything, demo/ for all of demo, or any MCP URL')
    .argument('<tool>', 'as in `tools`')
    .argument('[arguments]', 'a JSON object')
    .option('--timeout <duration>', 'such as 30s (default: 10m)', durationSeconds, 600)
    .action(async (endpoint, tool, text, options) =>
      (await import('./call.ts')).callTool(io, { endpoint, tool, text }, { ...options, version }),
    );
}

function addOrganizations(program: Command, io: Io): void {
  const org = group(program, 'org', 'organizations');
  remote(org.command('list').alias('ls'))
    .description('list organizations')
    .action(async (options) => (await import('./nouns.ts')).listOrganizations(io, options));
  remote(org.command('create'))
    .description('make an organization')
    .argument('<slug>', 'its name in URLs')
    .option('--name <name>', 'its name for people (default: the slug)')
    .option('--external-id <id>', "the identity provider's id, such as org_123")
    .action(async (slug, options) => (await import('./nouns.ts')).createOrganization(io, slug, options));
  addShred(org, io, remote);
}

function addUsers(program: Command, io: Io): void {
  const user = group(program, 'user', 'local accounts: people who sign in with a password kept here');
  const fromInput = '--password-stdin';
  remote(user.command('create'))
    .description('make a local account and print its password, once')
    .argument('<username>', 'what they sign in with')
    .option('--name <name>', 'their name for people')
    .option('--email <address>', 'theirs for certain: groups and grants by address count for it')
    .option('--org <organization>', 'make them a member: slug or id')
    .option('--roles <roles>', 'comma list, in that organization', commaList, [])
    .option(fromInput, 'read the password from standard input instead of making one')
    .action(async (name, options) => (await import('./user.ts')).createUser(io, name, options));
  remote(user.command('list').alias('ls'))
    .description('list local accounts')
    .action(async (options) => (await import('./user.ts')).listUsers(io, options));
  remote(user.command('deactivate'))
    .description('end an account: its sessions and tokens with it')
    .argument('<username>')
    .action(async (name, options) => (await import('./user.ts')).deactivateUser(io, name, options));
  remote(user.command('set-password'))
    .description('give an account another password, and let it sign in again')
    .argument('<username>')
    .option(fromInput, 'read the password from standard input instead of making one')
    .action(async (name, options) => (await import('./user.ts')).setUserPassword(io, name, options));
}

function addServers(program: Command, io: Io): void {
  const server = group(program, 'server', 'MCP servers behind the gateway');
  remote(server.command('list').alias('ls'))
    .description('list servers')
    .action(async (options) => (await import('./nouns.ts')).listServers(io, options));
  remote(server.command('health'))
    .description('how the servers are, as the gateway knows it')
    .action(async (options) => (await import('./nouns.ts')).listServerHealth(io, options));
}

function addCollections(program: Command, io: Io): void {
  const collection = group(program, 'collection', 'what an organization publishes');
  remote(collection.command('list').alias('ls'))
    .description('list collections')
    .option('--org <organization>', 'slug or id')
    .action(async (options) => (await import('./nouns.ts')).listCollections(io, options));
  remote(collection.command('create'))
    .description('publish a server as a collection')
    .argument('<name>', 'its name in URLs')
    .requiredOption('--server <key>', 'as in `server list`')
    .option('--org <organization>', 'slug or id')
    .option('--allowed-roles <roles>', '"*" or a comma list', roleList, '*')
    .option('--partition <partition>', "the binding's place in the server's URL")
    .option('--credential-env <name>', 'variable that holds the secret sent upstream')
    .option('--enforced <json>', '{tool: {argument: {…}}}')
    .action(async (name, options) => (await import('./nouns.ts')).createCollection(io, name, options));
}

function addDatabase(program: Command, io: Io): void {
  const db = group(program, 'db', 'the database');
  db.command('init')
    .description('make or bring up to date the schema')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./db-init.ts')).initDatabase(io, options));
  db.command('create-collection')
    .description('publish a Ragie partition as a collection, asking for what no flag says')
    .option('--name <name>', 'name of the collection')
    .option('--organization-id <id>', 'organization, such as org_123')
    .option('--partition <partition>', 'Ragie partition')
    .option('--ragie-api-key <key>', 'Ragie API key, such as tnt_…')
    .option('--allowed-roles <roles>', '"*" or a comma list')
    .option('--filters <json>', 'enforced on every retrieve call')
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./db-create-collection.ts')).createRagieCollection(io, options));
}
