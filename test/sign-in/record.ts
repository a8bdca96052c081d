/** `npm run sign-in-runs`: makes docs/reference/sign-in-runs.md anew. */
import { writeFileSync } from 'node:fs';
import { startBrokeredWorld } from '#kit/brokered-world.ts';
import { startPostgres } from '#kit/postgres-server.ts';
import { baseUrl, recordRun, renderRuns, runEnv, runTitles } from './runs.ts';

const file = 'docs/reference/sign-in-runs.md';
const postgres = await startPostgres();
const database = { url: postgres.url('postgres'), close: postgres.stop };
const world = await startBrokeredWorld({ database, issuer: baseUrl, env: runEnv });
try {
  const runs = [];
  for (const title of runTitles) runs.push(await recordRun(world, title));
  writeFileSync(file, renderRuns(runs));
  process.stdout.write(`${file}\n`);
} finally {
  await world.close();
}
