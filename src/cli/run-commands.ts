/** `gatehouse run`, `list`, `stop`, … as commander knows them: the words of ToolHive's command line (REQUIREMENTS S2.13, S2.16). */
import { type Command, InvalidArgumentError, Option } from 'commander';
import { commaList } from './flags.ts';
import type { Io } from './io.ts';
import { elsewhere } from './run-elsewhere.ts';

const repeated = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

function ownPort(value: string): number {
  const port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError('give a port, 1 to 65535');
}

function lineCount(value: string): number {
  if (/^\d{1,4}$/.test(value) && Number(value) <= 1000) return Number(value);
  throw new InvalidArgumentError('give a number of lines, at most 1000');
}

type Remote = (command: Command) => Command;

export function addRuns(program: Command, io: Io, remote: Remote): void {
  addRun(program, io, remote);
  remote(program.command('list').alias('ls'))
    .description('list what is run here: commands and images')
    .action(async (options) => (await import('./runs.ts')).listRuns(io, options));
  for (const [verb, text] of [
    ['start', 'let a stopped server be started again: the next call does'],
    ['stop', 'end a server, until it is started'],
    ['restart', 'end a server: the next call starts it anew'],
  ] as const) {
    remote(program.command(verb))
      .description(text)
      .argument('<name>', 'as in `list`')
      .action(async (name, options) => (await import('./runs.ts')).orderRun(io, { verb, name }, options));
  }
  remote(program.command('logs'))
    .description('what a server wrote last')
    .argument('<name>', 'as in `list`')
    .option('-f, --follow', 'go on until interrupted')
    .option('--tail <lines>', 'how many lines', lineCount, 100)
    .action(async (name, options) => (await import('./runs.ts')).showLogs(io, name, options));
  remote(program.command('rm'))
    .description('end a server and remove it')
    .argument('<name>', 'as in `list`')
    .action(async (name, options) => (await import('./runs.ts')).removeRun(io, name, options));
}

export function addImages(images: Command, io: Io, remote: Remote): void {
  remote(images.command('pull'))
    .description('have an image here before a server needs it: no call ever pulls')
    .argument('<image>', 'best by digest: ghcr.io/acme/tool@sha256:…')
    .action(async (image, options) => (await import('./images.ts')).pullImage(io, image, options));
}

function addRun(program: Command, io: Io, remote: Remote): void {
  const run = remote(program.command('run'))
    .description('run a command or image as an MCP server')
    .argument('<what>', 'IMAGE or COMMAND')
    .argument('[name]', 'its name in URLs (default: after what is run)')
    .usage('[options] IMAGE|COMMAND [NAME] [-- ARGUMENTS…]')
    .allowExcessArguments()
    .addOption(
      new Option('--transport <transport>', 'how it speaks')
        .choices(['stdio', 'streamable-http', 'sse'])
        .default('stdio'),
    )
    .option('--proxy-port <port>', 'a port of its own, beside its path', ownPort)
    .option('--target-port <port>', 'where it listens itself', ownPort)
    .option('-e, --env <name=value>', 'variable; NAME alone takes it from here. May be repeated', repeated)
    .option('--secret <secret>', 'NAME,target=VARIABLE; env:NAME or file:/path for NAME. May be repeated', repeated)
    .option('-v, --volume <volume>', 'host:target[:ro]. May be repeated', repeated)
    .option('--permission <profile>', 'none (default), network, or a file')
    .option('--permission-profile <profile>', 'the same')
    .option('--isolate-network', 'as always: what --permission says is enforced')
    .option('--stateless', 'one program serves all callers of an organization')
    .option('--tools <names>', 'only these tools, comma list', commaList)
    .option('--tools-override <file>', '{toolsOverride: {tool: {name, description}}}, JSON or YAML')
    .option('--organization <organization>', 'whom it is enabled for: slug or id')
    .option('--group <group>', 'only for this group of the organization')
    .option('--name <name>', 'its name in URLs')
    .option('--image', 'it is an image')
    .option('--command', 'it is a command')
    .option('-y, --yes', 'do not ask');
  for (const { flag } of elsewhere) run.addOption(new Option(`${flag} [value]`).hideHelp());
  run.action(async (_what, _name, options, command: Command) => {
    const raw = rawArgsOf(command);
    const after = raw.includes('--') ? raw.length - 1 - raw.indexOf('--') : 0;
    const words = command.args.slice(0, command.args.length - after);
    const args = command.args.slice(command.args.length - after);
    await (await import('./run.ts')).run(io, { words, args }, options);
  });
}

function rawArgsOf(command: Command): readonly string[] {
  const root = command.parent ?? command;
  return 'rawArgs' in root && Array.isArray(root.rawArgs) ? root.rawArgs : [];
}
