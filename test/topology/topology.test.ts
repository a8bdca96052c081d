/** The replicated deployment as processes, with the balancer that is here; `npm run topology` tries every one and prints. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#kit/postgres.ts';
import { balancerNames } from './balancers.ts';
import { judge } from './judge.ts';
import { runTopology, type Seen } from './topology.ts';

// nginx is what most machines have; HAProxy has the lane.
const balancer = balancerNames.at(-1);

describe.skipIf(balancer === undefined)('three replicas behind a balancer (skipped without nginx or HAProxy)', () => {
  let database: TestDatabase;
  let seen: Seen;
  beforeAll(async () => {
    database = await createTestDatabase();
    seen = await runTopology({ databaseUrl: database.url, balancer: balancer ?? 'nginx', say: () => undefined });
  }, 180_000);
  afterAll(() => database?.close());

  test('keep every promise: a killed replica costs its own calls only, a drained one none, limits and keys are shared', () => {
    expect(judge(seen)).toEqual([]);
    expect(seen.killed.during.good).toBeGreaterThan(0);
  });

  test('guard a server that knows nothing of OAuth: its client signs in from its address alone [S1.1] [S1.2]', () => {
    if (!seen.guarded) return expect(balancerNames).not.toContain('nginx');
    const { withoutToken, challenge, withOtherToken, answer, arrived } = seen.guarded;
    expect([withoutToken, withOtherToken, answer]).toEqual([401, 403, 'waited 7']);
    expect(challenge).toContain('/.well-known/oauth-protected-resource/mcp"');
    expect(arrived.length).toBeGreaterThan(0);
    for (const { user, token } of arrived)
      expect([user, token]).toEqual([expect.stringMatching(/^(?!somebody).+/), '']);
  });
});
