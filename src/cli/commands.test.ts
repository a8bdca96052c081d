/** What every command has, whichever it is. */
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { buildProgram } from './program.ts';

const program = buildProgram({ out: () => undefined, err: () => undefined } as never, '1.2.3');

/** Commands that do something: their words, such as `server list`. */
function leavesOf(command: Command, words: readonly string[] = []): readonly (readonly [string, Command])[] {
  if (command.commands.length === 0) return [[words.join(' '), command]];
  return command.commands.flatMap((each) => leavesOf(each, [...words, each.name()]));
}
const leaves = leavesOf(program);

/** They speak MCP on standard output, or print nothing there. */
const speaks: readonly string[] = ['bridge', 'connect', 'tmux-server', 'servers install'];

test('every command says what it does, in a sentence of its own, and so do its arguments and options', () => {
  const said = leaves.map(([words, command]) => [words, command.description()] as const);
  for (const [words, description] of said) expect([words, description.length > 10]).toEqual([words, true]);
  for (const [words, command] of leaves)
    for (const { long, description, hidden } of command.options)
      if (!hidden) expect([words, long, description]).not.toContain('');
  const groups = program.commands.filter((command) => command.commands.length > 0);
  for (const command of groups) expect([command.name(), command.description()]).not.toContain('');
});

test('every command that prints something prints JSON where that is asked for', () => {
  const without = leaves.filter(([, command]) => !command.options.some(({ long }) => long === '--json'));
  expect(without.map(([words]) => words).sort()).toEqual([...speaks].sort());
});

test('nouns have the same verbs: what is listed is `list`, also `ls`; what is removed also `rm`', () => {
  for (const [words, command] of leaves.filter(([path]) => path.includes(' '))) {
    if (words.endsWith(' list')) expect([words, command.aliases()]).toEqual([words, ['ls']]);
    if (/ (?:remove|revoke)$/.test(words)) expect([words, command.aliases()]).toEqual([words, ['rm']]);
  }
});

test('whatever is about an organization takes --org', () => {
  const nouns = ['request', 'app', 'token', 'session', 'access', 'member', 'group', 'grant', 'key', 'client', 'limit'];
  for (const [words, command] of leaves)
    if (nouns.includes(words.split(' ')[0] ?? ''))
      expect([words, command.options.map(({ long }) => long)]).toEqual([words, expect.arrayContaining(['--org'])]);
});
