/** `completion`: what a shell completes, read off the commands themselves. */
import type { Command } from 'commander';
import { type Io, UsageError } from './io.ts';

interface Words {
  /** `server list`; '' for the top. */
  readonly path: string;
  readonly words: readonly string[];
}

export function printCompletion(io: Io, shell: string, program: Command): void {
  const all = wordsOf(program, []);
  if (shell === 'bash') io.out(bash(all));
  else if (shell === 'zsh') io.out(`autoload -U +X bashcompinit && bashcompinit\n${bash(all)}`);
  else if (shell === 'fish') io.out(fish(all));
  else throw new UsageError(`There is no completion for "${shell}": bash, zsh or fish`);
}

function wordsOf(command: Command, path: readonly string[]): readonly Words[] {
  const subcommands = command.commands.filter((one) => one.name() !== 'help');
  const options = command.options.flatMap(({ long, hidden }) => (long && !hidden ? [long] : []));
  const words = [...subcommands.map((one) => one.name()), ...options, '--help'];
  return [{ path: path.join(' '), words }, ...subcommands.flatMap((one) => wordsOf(one, [...path, one.name()]))];
}

/** Names of commands and options are ours: letters, digits and dashes, nothing to quote. */
function bash(all: readonly Words[]): string {
  const cases = all.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`);
  const known = all.map(({ path }) => `'${path}'`).join('|');
  return `_gatehouse() {
  local word path='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "\${path:+$path }$word" in
      ${known}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _gatehouse gatehouse
complete -o default -F _gatehouse mcp-gateway
`;
}

function fish(all: readonly Words[]): string {
  const lines = all.flatMap(({ path, words }) => {
    const when =
      path === ''
        ? '__fish_use_subcommand'
        : path
            .split(' ')
            .map((word) => `__fish_seen_subcommand_from ${word}`)
            .join('; and ');
    const plain = words.filter((word) => !word.startsWith('--'));
    const flags = words.filter((word) => word.startsWith('--'));
    return [
      ...plain.map((word) => `complete -c gatehouse -f -n '${when}' -a '${word}'`),
      ...flags.map((flag) => `complete -c gatehouse -n '${when}' -l ${flag.slice(2)}`),
    ];
  });
  return `${lines.join('\n')}\n`;
}
