/** Every client with every server, feature by feature; what is found must be what docs/reference/compatibility.md says. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rows } from './clients.ts';
import { features } from './features.ts';
import { type Cell, compatibilityFile, compatibilityPage } from './page.ts';
import { brokenOf, runRow } from './run.ts';
import { columns } from './servers.ts';
import { type MatrixWorld, startMatrixWorld } from './world.ts';

const cells: Cell[] = [];
let world: MatrixWorld;

beforeAll(async () => {
  world = await startMatrixWorld();
});
afterAll(() => world?.close());

describe.each(rows)('a client of $title', (row) => {
  test('does with every server what can be done', async () => {
    const found = await runRow(world, row);
    cells.push(...found);
    expect(brokenOf(found)).toBe('');
  }, 60_000);
});

test('the page of compatibility says what was found (else: npm run compatibility)', () => {
  expect(readFileSync(compatibilityFile, 'utf8')).toBe(compatibilityPage({ rows, columns, features }, cells));
});
