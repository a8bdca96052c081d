/** Configuration as code: `plan`, `apply`, `export`, `schema`. */
import type { Command } from 'commander';
import type { Io } from './io.ts';
import { ExitCode } from './output.ts';

type Remote = (command: Command) => Command;

export function addConfiguration(program: Command, io: Io, remote: Remote): void {
  const choices = (command: Command) =>
    remote(command)
      .argument('<file>', 'YAML: the structured part of gatehouse.yaml')
      .option('--prune', 'remove what the file no longer has, if a file once made it')
      .option('--prune-all', 'remove what the file does not have, whoever made it (organizations stay)')
      .option('--adopt', 'what the API or portal made becomes the file’s');
  choices(program.command('plan'))
    .description('show what a file would change, and who would gain and lose which tools')
    .option('--detailed-exitcode', 'exit 2 where there is something to change')
    .action(async (file, options) => {
      const code = await (await import('./plan.ts')).planFile(io, file, options);
      if (code !== 0) throw new ExitCode(code);
    });
  choices(program.command('apply'))
    .description('make the gateway as a file says: everything or nothing')
    .option('-y, --yes', 'do not ask')
    .action(async (file, options) => (await import('./plan.ts')).applyFile(io, file, options));
  remote(program.command('export'))
    .description('write the whole configuration as YAML, or with a name the definition of one server that is run here')
    .argument('[name]', 'as in `list`: only this server, .yaml for gatehouse.yaml, .json for ToolHive')
    .argument('[file]', '- for standard output', '-')
    .option('-o, --output <file>', 'where to write the whole configuration (default: standard output)')
    .action(async (name, file, options) => {
      if (name === undefined) return (await import('./plan.ts')).exportAll(io, options);
      return (await import('./runs.ts')).exportRun(io, { name, file: options.output ?? file }, options);
    });
  program
    .command('schema')
    .description('print the JSON Schema of gatehouse.yaml, for editors')
    .option('--json', 'it is JSON in any case')
    .action(async () => io.out((await import('#config/json-schema.ts')).configSchemaText()));
}
