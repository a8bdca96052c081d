/** The commands about one server without a gateway around it, and about the servers that come along. */
import type { Command } from 'commander';
import { commaList } from './flags.ts';
import { type Io, UsageError } from './io.ts';

type Remote = (command: Command) => Command;

export function addServerCommands(program: Command, io: Io, remote: Remote): void {
  addBridge(program, io);
  addConnect(program, io);
  // What `mcp-tmux` runs.
  program
    .command('tmux-server', { hidden: true })
    .description('an MCP server over tmux, on standard input and output')
    .action(async () => (await import('./tmux-server.ts')).serveTmux(io.input, io.env));
  remote(program.command('check'))
    .description('greet servers as a client does, and say which are well')
    .argument('[servers...]', 'keys (default: all that are enabled)')
    .option('--org <organization>', 'slug or id')
    .action(async (keys, options) => (await import('./check.ts')).checkServers(io, keys, options));
  program
    .command('servers')
    .description('the servers that come along')
    .command('install')
    .description('install programs of servers at exact versions, into DATA_DIR/servers')
    .argument('<names...>', 'such as mcp-memory, notion of the catalogue, @scope/name@1.2.3, or name==1.2.3')
    .action(async (names) => (await import('./install-servers.ts')).installServers(io, names));
}

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

function seconds(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new UsageError('--timeout is a number of seconds, such as 300');
  return Number(text);
}

function addBridge(program: Command, io: Io): void {
  program
    .command('bridge')
    .description('serve one stdio server over streamable HTTP: gatehouse bridge -- COMMAND ARGUMENTS…')
    .argument('<command...>', 'after --')
    .option('--host <address>', 'address to listen on (MCP_BIND_HOST; default 127.0.0.1)')
    .option('--port <port>', 'port to listen on, 0 for a free one (MCP_PORT; default 3000)')
    .option('--timeout <seconds>', 'a session without a request ends after it', seconds, 300)
    .option('--log-level <level>', 'debug, info, warn or error', 'info')
    .option('-e, --env <variable>', 'NAME=VALUE, or NAME to pass it on; again for more', collect, [])
    .option('--token [token]', 'callers must bring it (better in MCP_BRIDGE_TOKEN); needed beyond this machine')
    .action(async (command, options) => (await import('./bridge.ts')).serveBridge(io, command, options));
}

function addConnect(program: Command, io: Io): void {
  program
    .command('connect')
    .description('speak to a server over HTTP through standard input and output, signing in where that is needed')
    .argument('[url]', 'of the server (MCP_SERVER_URL)')
    .option('--server-url <url>', 'the same')
    .option('--env-file <file>', 'variables (default: .env)')
    .option('--log-level <level>', 'debug, info, warn or error', 'warn')
    .option('--token', 'sign in, keep the tokens, and end')
    .option('--test-auth', 'say whether the tokens that are kept still work')
    .option('--reset-auth', 'forget tokens and client')
    .option('-c, --command <call>', 'call one tool: its name and arguments, such as "echo message=hello"')
    .option('--raw <message>', 'send one JSON-RPC message and print the answer')
    .option('--list-tools', 'print the tools')
    .option('--list-resources', 'print the resources')
    .option('--list-prompts', 'print the prompts')
    .option('--get-client-info', 'print how this client is registered')
    .option('--update-client <fields>', 'change its registration: client_name=…,scope=…', commaList)
    .option('--delete-client', 'end its registration')
    .action(async (url, options) => (await import('./connect.ts')).connectServer(io, { ...options, url }));
}

/** The programs of S1 by their own names: how they are called becomes one of our commands. */
export function commandOfAlias(script: string, args: readonly string[]): readonly string[] {
  const name = script
    .replace(/\.(?:mjs|js|cmd)$/, '')
    .split(/[\\/]/)
    .at(-1);
  if (name === 'mcp-streamablehttp-client') return ['connect', ...args];
  if (name !== 'mcp-streamablehttp-proxy') return args;
  if (args.includes('--')) return ['bridge', ...args];
  let at = 0;
  while (args[at]?.startsWith('-')) at += /=|^--?h(?:elp)?$/.test(args[at] ?? '') ? 1 : 2;
  return ['bridge', ...args.slice(0, at), '--', ...args.slice(at)];
}
