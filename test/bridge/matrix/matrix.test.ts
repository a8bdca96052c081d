/** Every client with every server, feature by feature; what is found must be what docs/reference/compatibility.md says. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ClientRow, connect, rows } from './clients.ts';
import type { Feature, Pair } from './feature.ts';
import { features } from './features/index.ts';
import { type Cell, compatibilityPage, type Mark } from './page.ts';
import type { Reason } from './reasons.ts';
import { columns, type ServerColumn } from './servers.ts';
import { type MatrixWorld, startMatrixWorld } from './world.ts';

const page = join(import.meta.dirname, '../../../docs/reference/compatibility.md');
const cells: Cell[] = [];
let world: MatrixWorld;

beforeAll(async () => {
  world = await startMatrixWorld();
});
afterAll(() => world?.close());

describe.each(rows)('a client of $title', (row) => {
  test('does with every server what can be done', async () => {
    const found = await Promise.all(columns.map((column) => tryAll(row, column)));
    cells.push(...found.flat());
    const broken = found
      .flat()
      .flatMap(({ feature, column, mark }) =>
        'error' in mark ? [`${column.title}: ${feature.title}: ${mark.error}`] : [],
      );
    expect(broken.join('\n')).toBe('');
  });
});

test('the page of compatibility says what was found (else: npm run compatibility)', () => {
  const text = compatibilityPage({ rows, columns, features }, cells);
  if (process.env.WRITE_COMPATIBILITY === '1') writeFileSync(page, text);
  expect(readFileSync(page, 'utf8')).toBe(text);
});

async function tryAll(row: ClientRow, column: ServerColumn): Promise<readonly Cell[]> {
  const found: Cell[] = [];
  let client: Pair['client'] | undefined;
  try {
    client = await connect(row, world.address(column.key));
    for (const [i, feature] of features.entries()) {
      const tag = `${rows.indexOf(row)}-${i}`;
      found.push({ row, column, feature, mark: await tryOne({ world, row, column, client, tag }, feature) });
    }
  } catch (thrown) {
    const mark = { error: `no connection: ${String(thrown)}` };
    for (const feature of features.slice(found.length)) found.push({ row, column, feature, mark });
  } finally {
    await client?.close();
  }
  return found;
}

async function tryOne(pair: Pair, { gap, check, instead }: Feature): Promise<Mark> {
  const reason = gap?.(pair.row, pair.column);
  try {
    await (reason === undefined ? check : instead)?.(pair);
    return reason === undefined ? { ok: true } : { gap: reason as Reason };
  } catch (thrown) {
    return { error: thrown instanceof Error ? thrown.message.slice(0, 600) : String(thrown) };
  }
}
