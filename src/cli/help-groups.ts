/** The order of `--help`: commands by what they are about, what a newcomer needs first. */
import type { Command, Option } from 'commander';

const groups: readonly (readonly [heading: string, commands: readonly string[]])[] = [
  [
    'Start and try:',
    ['serve', 'init', 'doctor', 'login', 'logout', 'whoami', 'admin', 'tools', 'call', 'check', 'bridge', 'connect'],
  ],
  ['Servers run here:', ['run', 'list', 'start', 'stop', 'restart', 'logs', 'rm', 'images']],
  ['Servers:', ['server', 'servers', 'catalog', 'import', 'openapi', 'credential']],
  [
    'What is published, and for whom:',
    ['collection', 'enable', 'disable', 'block', 'unblock', 'group', 'grant', 'request', 'access', 'who-can'],
  ],
  ['Rules:', ['policy', 'filter', 'limit']],
  [
    'People and programs:',
    ['org', 'user', 'member', 'person', 'service-account', 'key', 'client', 'registration', 'app', 'token', 'session'],
  ],
  ['Configuration as code:', ['plan', 'apply', 'export', 'schema']],
  [
    'The gateway itself:',
    [
      'db',
      'backup',
      'restore',
      'secrets',
      'signing-key',
      'audit',
      'stats',
      'purge',
      'certificate',
      'completion',
      'help',
    ],
  ],
];

const order = groups.flatMap(([, names]) => names);

/** Puts every command of the program under its heading; one the table forgets is under `Commands:`. */
export function groupHelp(program: Command): void {
  const headings = new Map(groups.flatMap(([heading, names]) => names.map((name) => [name, heading])));
  program.commandsGroup('The gateway itself:').helpCommand('help [command]', 'display help for command');
  for (const command of program.commands) {
    const heading = headings.get(command.name());
    if (heading !== undefined) command.helpGroup(heading);
  }
  program.configureHelp({ groupItems: inOrder });
}

/** Items under their headings, both in the order of the table; options are in none, and stay as they come. */
function inOrder<T extends Command | Option>(
  _all: T[],
  visible: T[],
  headingOf: (item: T) => string,
): Map<string, T[]> {
  const placed = visible.toSorted((a, b) => order.indexOf(a.name()) - order.indexOf(b.name()));
  return Map.groupBy(placed, headingOf);
}
