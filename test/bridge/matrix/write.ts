/** `npm run compatibility`: writes docs/reference/compatibility.md from what is found. Exit 1 where something is broken. */
import { writeFileSync } from 'node:fs';
import { rows } from './clients.ts';
import { features } from './features.ts';
import { type Cell, compatibilityFile, compatibilityPage } from './page.ts';
import { brokenOf, runRow } from './run.ts';
import { columns } from './servers.ts';
import { startMatrixWorld } from './world.ts';

const world = await startMatrixWorld();
try {
  const cells: Cell[] = [];
  for (const row of rows) cells.push(...(await runRow(world, row)));
  writeFileSync(compatibilityFile, compatibilityPage({ rows, columns, features }, cells));
  const broken = brokenOf(cells);
  if (broken !== '') {
    process.stderr.write(`${broken}\n`);
    process.exitCode = 1;
  }
} finally {
  await world.close();
}
