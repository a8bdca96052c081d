import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configPage, referenceFolder, renderPages, row } from '#scripts/docs.ts';

test('the generated reference equals the code (else: npm run docs)', () => {
  for (const { file, text } of renderPages()) {
    expect(readFileSync(join(referenceFolder(process.cwd()), file), 'utf8'), `docs/reference/${file}`).toBe(text);
  }
});

test('cells cannot break a table', () => {
  expect(row(['a|b', 'c\nd', undefined, 1])).toBe('| a\\|b | c d |  | 1 |');
});

test('a setting is shown with its place, aliases and secrecy', () => {
  const { text } = configPage([
    { name: 'A_KEY', aliases: ['B_KEY'], path: ['a', 'key'], default: '-', meaning: 'Opens A.', secret: true },
  ]);
  expect(text).toContain('| `A_KEY` | - | `a.key` | Opens A. Secret. | `B_KEY` |');
});
