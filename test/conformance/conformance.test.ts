import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CellWorld, cells, nameOf, startCells, surprises } from './cells.ts';
import { expectedFailures } from './expected-failures.ts';
import { requiredScenarios } from './suite.ts';

/** Of all cells (`npm run conformance`) the two ends: bytes that pass through, and another era behind two servers as one. */
const shown = cells.filter(({ client, server, endpoint }) => {
  const isSameEra = (client === '2026-07-28') === (server === 'modern');
  return endpoint === (isSameEra ? 'one' : 'plain');
});

describe('the official conformance suite through the gateway', () => {
  let world: CellWorld;
  beforeAll(async () => {
    world = await startCells();
  });
  afterAll(() => world?.close());

  test.each(shown.map((cell) => ({ name: nameOf(cell), cell })))(
    '$name: everything passes but what is listed with its reason [S0.9] [E13]',
    async ({ cell }) => {
      const outcomes = await world.run(cell);
      expect(surprises(cell, outcomes)).toEqual([]);
      const seen = outcomes.map(({ scenario }) => scenario);
      expect(seen).toEqual(expect.arrayContaining([...requiredScenarios(cell.client)]));
    },
    120_000,
  );
});

test('each expected failure says why', () => {
  for (const { reason } of expectedFailures) expect(reason).toMatch(/^[A-Z].*\.$/s);
});
