/** The operator's guide: every command in it is one, with the options that it is given. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { cli } from '#kit/run-cli.ts';

const guide = readFileSync('docs/guide/operations.md', 'utf8');

/** `gatehouse …` in blocks and in the text, without what is behind `#`, `&&` and the like. */
const commands = [
  ...[...guide.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block.split('\n').filter((line) => line.startsWith('gatehouse ')),
  ),
  ...[...guide.matchAll(/`(gatehouse [^`]+)`/g)].map(([, text = '']) => text),
].map((line) => line.replace(/\s+(?:#|&&|\|).*$/, '').replace(/^gatehouse\s+/, ''));

/** Words as a shell hands them over. */
const wordsOf = (line: string) => (line.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ''));

test('every command of the operator guide exists, with its options [S1.47]', async () => {
  expect(commands.length).toBeGreaterThan(50);
  for (const line of new Set(commands)) {
    const words = wordsOf(line);
    const options = words.filter((word) => word.startsWith('--'));
    const firstOption = words.findIndex((word) => word.startsWith('--'));
    const before = firstOption < 0 ? words : words.slice(0, firstOption);
    const { code, out } = await cli([...before, '--help']);
    expect([line, code]).toEqual([line, 0]);
    expect(out.split('\n')[0], line).toMatch(new RegExp(`^Usage: gatehouse ${before[0]}\\b`));
    // Of a group: it was given something that is no command of it.
    expect(out, line).not.toMatch(/^Commands:$/m);
    for (const option of options) expect(out, line).toContain(option);
  }
});

test('each recipe of the three-layer gateway has its place in the table, and in the justfile [S1.47]', () => {
  const [, table = ''] = guide.split('## Recipes of the three-layer OAuth gateway');
  const inTable = [...table.matchAll(/^\| (`.*?) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([a-z-]+)`/g)].map(([, name]) => name ?? ''),
  );
  const recipes = [
    ...['up', 'down', 'rebuild', 'logs', 'test', 'check-health', 'status', 'check-ssl', 'setup'],
    ...['generate-jwt-secret', 'generate-rsa-keys', 'generate-redis-password', 'generate-all-secrets'],
    ...['generate-github-token', 'mcp-client-token', 'mcp-client-token-complete', 'create-mcp-config'],
    ...['oauth-list-registrations', 'oauth-list-tokens', 'oauth-stats', 'oauth-show-all', 'oauth-purge-expired'],
    ...['oauth-delete-registration', 'oauth-delete-client-complete', 'oauth-delete-token', 'oauth-purge-expired-dry'],
    ...['oauth-delete-test-registrations', 'oauth-delete-all-registrations', 'oauth-delete-all-tokens'],
    ...['oauth-backup', 'oauth-backup-list', 'oauth-backup-view', 'oauth-restore', 'oauth-restore-file'],
    ...['oauth-restore-clear', 'oauth-restore-dry', 'network-create', 'volumes-create'],
    ...['generate-includes', 'generate-middlewares'],
  ];
  expect(inTable.toSorted()).toEqual(recipes.toSorted());
  const justfile = readFileSync('justfile', 'utf8');
  for (const recipe of recipes) expect(justfile, recipe).toMatch(new RegExp(`^${recipe}(?: [^:\\n]*)?:`, 'm'));
});
