/**
 * `npm run conformance`: the official suite through the gateway in every cell, written to docs/reference/conformance.md,
 * and its `authorization` mode against our authorization server. `--direct`: straight at the fixture, nothing written.
 * Exit 1 where something is not as expected.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { startBrokeredWorld } from '#kit/brokered-world.ts';
import { startConformanceServer } from '#kit/conformance-server.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { runAuthorizationSuite } from './authorization.ts';
import { type Cell, cells, nameOf, startCells, surprises } from './cells.ts';
import { renderPage } from './page.ts';
import { failedRequired, renderOutcomes, revisions, runSuite, type ScenarioOutcome, suiteDir } from './suite.ts';

const page = join(import.meta.dirname, '../../docs/reference/conformance.md');

async function runDirect(): Promise<boolean> {
  const fixture = await startConformanceServer();
  let failed = 0;
  for (const revision of revisions) {
    const outcomes = await runSuite(fixture.url, revision);
    failed += failedRequired(outcomes).length;
    console.log(renderOutcomes(`${revision} straight at the fixture`, outcomes));
  }
  await fixture.close();
  return failed === 0;
}

async function runCells(): Promise<boolean> {
  const world = await startCells();
  const found = new Map<Cell, readonly ScenarioOutcome[]>();
  const surprised: string[] = [];
  try {
    for (const cell of cells) {
      const outcomes = await world.run(cell);
      found.set(cell, outcomes);
      surprised.push(...surprises(cell, outcomes));
      console.log(renderOutcomes(nameOf(cell), outcomes));
    }
  } finally {
    await world.close();
  }
  for (const line of surprised) console.error(line);
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(join(suiteDir, 'package.json'), 'utf8')));
  if (surprised.length === 0) writeFileSync(page, renderPage(found, version));
  return surprised.length === 0;
}

async function runAuthorization(): Promise<boolean> {
  const postgres = await startPostgres();
  const world = await startBrokeredWorld({ database: { url: postgres.url('postgres'), close: postgres.stop } });
  let failed = 0;
  try {
    for (const revision of revisions) {
      const outcomes = await runAuthorizationSuite(world, revision);
      failed += failedRequired(outcomes).length;
      console.log(renderOutcomes(`${revision} authorization server`, outcomes));
    }
  } finally {
    await world.close();
  }
  return failed === 0;
}

const good = process.argv.includes('--direct') ? [await runDirect()] : [await runCells(), await runAuthorization()];
process.exitCode = good.every(Boolean) ? 0 : 1;
