import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokeredWorld, startBrokeredWorld } from '#kit/brokered-world.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { baseUrl, type Run, recordRun, renderRuns, runEnv, runTitles } from './runs.ts';

const runs: Run[] = [];
let world: BrokeredWorld;
beforeAll(async () => {
  world = await startBrokeredWorld({ database: await createTestDatabase(), issuer: baseUrl, env: runEnv });
}, 120_000);
afterAll(() => world?.close());

test.each(runTitles)('%s: from a bare URL to a call of a tool [S1.26] [X1.6]', async (title) => {
  const run = await recordRun(world, title);
  runs.push(run);
  const statuses = run.steps.filter(({ request }) => request === 'POST /acme/mcp/docs').map(({ status }) => status);
  expect(statuses.filter((status) => status === 200).length).toBeGreaterThanOrEqual(2);
  // Once without a token, and never again.
  expect(statuses.slice(1).filter((status) => status >= 300)).toEqual([]);
});

test('the page that shows them is what happens (else: npm run sign-in-runs)', () => {
  expect(readFileSync('docs/reference/sign-in-runs.md', 'utf8')).toBe(renderRuns(runs));
});
