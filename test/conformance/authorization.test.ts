import { afterAll, beforeAll, expect, test } from 'vitest';
import { type BrokeredWorld, startBrokeredWorld } from '#kit/brokered-world.ts';
import { createTestDatabase } from '#kit/postgres.ts';
import { authorizationScenarios, runAuthorizationSuite } from './authorization.ts';
import { revisions } from './suite.ts';

let world: BrokeredWorld;
beforeAll(async () => {
  world = await startBrokeredWorld({ database: await createTestDatabase() });
}, 120_000);
afterAll(() => world?.close());

test.each(revisions)(
  'the official suite finds nothing wrong with our authorization server by %s [S1.22] [S1.26]',
  async (revision) => {
    const outcomes = await runAuthorizationSuite(world, revision);
    expect(outcomes.map(({ scenario, failures, passed }) => [scenario, failures, passed > 0])).toEqual(
      authorizationScenarios.map((scenario) => [scenario, [], true]),
    );
  },
  70_000,
);
