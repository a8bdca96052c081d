/** `gatehouse policy …` as commander knows it. */
import { type Command, Option } from 'commander';
import type { Io } from './io.ts';

const choices = (flags: string, text: string, values: readonly string[]) =>
  new Option(flags, text).choices([...values]);

/** Beside those of every command that talks to a gateway. */
function remote(command: Command): Command {
  return command
    .option('--org <organization>', 'slug or id')
    .option('--url <url>', 'gateway to talk to (default: the one of this data directory)')
    .option('--key <key>', 'API key for --url (or GATEHOUSE_KEY)')
    .option('--json', 'print JSON');
}

export function addPolicies(program: Command, io: Io): void {
  const policy = program.command('policy').description('Cedar policies: who may use which tool, prompt or resource');
  remote(policy.command('list').alias('ls'))
    .description('list policies')
    .action(async (options) => (await import('./policy.ts')).listPolicies(io, options));
  remote(policy.command('put'))
    .description('save policies and attach them, in the place of those of the same name')
    .argument('<name>', 'unique in the organization')
    .requiredOption('--file <file>', 'Cedar text, or ToolHive configuration as .json, .yaml or .yml')
    .option('--server <key>', 'for this server (default: everything of the organization)')
    .option('--collection <name>', 'for this collection')
    .addOption(choices('--on-error <choice>', 'of a policy that cannot be evaluated (default: deny)', ['deny', 'skip']))
    .addOption(choices('--mode <mode>', 'log: only say what would be refused (default: enforce)', ['enforce', 'log']))
    .action(async (name, options) => (await import('./policy.ts')).putPolicy(io, name, options));
  remote(policy.command('remove').alias('rm'))
    .description('remove policies')
    .argument('<name>', 'as in `policy list`')
    .action(async (name, options) => (await import('./policy.ts')).removePolicy(io, name, options));
  remote(policy.command('test'))
    .description('ask the policies; exits with 1 where a case of --cases comes out otherwise than expected')
    .option('--cases <file>', 'list of {name, claims, action, server, resource, args, expect}, JSON or YAML')
    .option('--claims <json>', 'of the caller, such as {"sub":"ada","groups":["eng"]}')
    .option('--action <action>', 'such as call_tool (the default), get_prompt, read_resource')
    .option('--server <key>', 'key of the server')
    .option('--collection <name>', 'as reached through this collection')
    .option('--resource <name>', "the server's own name of the tool or prompt, or URI")
    .option('--args <json>', 'arguments of the call')
    .option('--draft <file>', 'policies that are not saved yet, for --server or everything, beside those that are')
    .action(async (options) => (await import('./policy.ts')).testPolicies(io, options));
  remote(policy.command('matrix'))
    .description('who can do what: groups and tools, by grants and policies together')
    .option('--server <key>', 'only of this server')
    .action(async (options) => (await import('./policy.ts')).showMatrix(io, options));
}
