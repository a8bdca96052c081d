/** docs/reference/cli.md: every command of the command line, from the commands themselves. */
import { Readable } from 'node:stream';
import type { Command } from 'commander';
import { buildProgram } from '#cli/program.ts';
import { made, table } from '#scripts/markdown.ts';

const silent = {
  ...{ out: () => undefined, err: () => undefined, outIsTerminal: false, errIsTerminal: false, inIsTerminal: false },
  ...{ input: Readable.from([]), env: {}, cwd: '/', command: 'gatehouse', readFile: () => undefined },
  ...{ fetch: globalThis.fetch, exit: () => undefined, onCrash: () => undefined, onSignal: () => undefined },
};

interface Leaf {
  readonly path: string;
  readonly command: Command;
}

function leavesOf(command: Command, path: readonly string[]): readonly Leaf[] {
  const inner = command.commands.filter((each) => each.name() !== 'help');
  if (inner.length === 0) return [{ path: path.join(' '), command }];
  return inner.flatMap((each) => leavesOf(each, [...path, each.name()]));
}

/** Told once, above: every command has them. */
const common = new Set(['--url', '--key', '--json', '--help']);

function section({ path, command }: Leaf): string {
  const words = command.registeredArguments.map((argument) => {
    const word = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${word}>` : `[${word}]`;
  });
  const options = command.options.filter(({ long, hidden }) => !hidden && !common.has(long ?? ''));
  const rows = [
    ...command.registeredArguments.map((argument) => [`\`${argument.name()}\``, argument.description]),
    ...options.map(({ flags, description }) => [`\`${flags}\``, description]),
  ];
  const shown = rows.length === 0 ? '' : `\n${table(['', 'meaning'], rows)}\n`;
  return `### \`gatehouse ${[path, ...words].join(' ')}\`\n\n${sentence(command.description())}\n${shown}`;
}

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1).replace(/\.?$/, '.')}`;

export function commandsPage(): { readonly file: string; readonly text: string } {
  const leaves = leavesOf(buildProgram(silent, ''), []);
  const nouns = [...new Set(leaves.map(({ path }) => path.split(' ')[0] ?? ''))];
  const parts = nouns.map((noun) => {
    const own = leaves.filter(({ path }) => path.split(' ')[0] === noun);
    return `## ${noun}\n\n${own.map(section).join('\n')}`;
  });
  const text = `# Commands

Which gateway a command means, and what its exit code says: [the command line](../guide/command-line.md). Commands that talk
to a gateway take \`--url\`, \`--key\` (or \`GATEHOUSE_KEY\`) and \`--json\`.

${parts.join('\n')}`;
  return { file: 'cli.md', text: `${made('src/cli')}\n${text}` };
}
