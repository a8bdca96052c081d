import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { requirements } from './requirements.ts';

test('every difference names lines that exist, and says what holds instead', () => {
  const known = new Set(requirements.map(({ id }) => id));
  const rows = readFileSync('docs/guide/differences.md', 'utf8')
    .split('\n')
    .filter((line) => /^\| [SX]\d/.test(line));
  expect(rows.length).toBeGreaterThan(20);
  for (const row of rows) {
    const [, ids = '', there, here] = row.split(' | ').map((cell) => cell.replace(/^\| |\|$/g, '').trim());
    const line = /^\| ([^|]+) \|/.exec(row)?.[1] ?? '';
    for (const id of line.split(', ')) expect(known.has(id), row).toBe(true);
    expect([ids, there, here].every(Boolean), row).toBe(true);
  }
});
