/** Tries every feature with every pair of a client and a server. */
import { type ClientRow, connect } from './clients.ts';
import type { Feature, Pair } from './feature.ts';
import { features } from './features.ts';
import type { Cell, Mark } from './page.ts';
import type { Reason } from './reasons.ts';
import { columns, type ServerColumn } from './servers.ts';
import type { MatrixWorld } from './world.ts';

/** One client with all servers, at once. */
export async function runRow(world: MatrixWorld, row: ClientRow): Promise<readonly Cell[]> {
  return (await Promise.all(columns.map((column) => tryAll(world, row, column)))).flat();
}

/** Not `✓`, and no reason why. */
export function brokenOf(cells: readonly Cell[]): string {
  return cells
    .flatMap(({ feature, row, column, mark }) =>
      'error' in mark ? [`${row.title} → ${column.title}: ${feature.title}: ${mark.error}`] : [],
    )
    .join('\n');
}

async function tryAll(world: MatrixWorld, row: ClientRow, column: ServerColumn): Promise<readonly Cell[]> {
  const found: Cell[] = [];
  let client: Pair['client'] | undefined;
  try {
    const address = world.address(column.key);
    client = await connect(row, address);
    for (const [i, feature] of features.entries()) {
      const tag = `${row.title} ${column.key} ${i}`;
      found.push({ row, column, feature, mark: await tryOne({ world, row, column, client, address, tag }, feature) });
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
  const reason: Reason | undefined = gap?.(pair.row, pair.column);
  try {
    await (reason === undefined ? check : instead)?.(pair);
    return reason === undefined ? { ok: true } : { gap: reason };
  } catch (thrown) {
    return { error: thrown instanceof Error ? thrown.message.slice(0, 600) : String(thrown) };
  }
}
