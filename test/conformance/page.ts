/** docs/reference/conformance.md: what the run found, without anything that differs from run to run. */
import { table } from '#scripts/markdown.ts';
import { type Cell, cells, expectationOf } from './cells.ts';
import { type Revision, requiredScenarios, revisions, type ScenarioOutcome } from './suite.ts';

export type Found = ReadonlyMap<Cell, readonly ScenarioOutcome[]>;

export function renderPage(found: Found, suiteVersion: string): string {
  const reasons: string[] = [];
  const noteOf = (reason: string) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return reasons.indexOf(reason) + 1;
  };
  const parts = revisions.map((client) => partOf(client, found, noteOf));
  return `<!-- Made by \`npm run conformance\`. -->

# Conformance

The official suite (\`@modelcontextprotocol/conformance\` ${suiteVersion}) through the gateway: clients of both eras against
servers that speak one era only. Each cell once for an endpoint of one server and once for a collection of two whose names
are plain (\`names: plain\`). \`npm run conformance\` makes this page, and fails where something differs from it: a failure
without a reason here, or a reason that no longer holds.

✓ passes. A number: cannot pass, see below. · nothing to check: the suite itself leaves it out. Scenarios in italics are not
required by the revision (extensions, or added since).

${parts.join('\n\n')}

## What cannot pass

${reasons.map((reason, i) => `${i + 1}. ${reason}`).join('\n')}
`;
}

function partOf(client: Revision, found: Found, noteOf: (reason: string) => number): string {
  const own = cells.filter((cell) => cell.client === client);
  const required = new Set(requiredScenarios(client));
  const names = [...new Set(own.flatMap((cell) => (found.get(cell) ?? []).map(({ scenario }) => scenario)))].sort();
  const rows = names.map((scenario) => [
    required.has(scenario) ? scenario : `*${scenario}*`,
    ...own.map((cell) => mark(cell, scenario, { found, noteOf })),
  ]);
  const head = ['scenario', ...own.map(({ server, endpoint }) => `${server} server, ${endpoint}`)];
  return `## Clients of ${client}\n\n${table(head, rows)}`;
}

function mark(
  cell: Cell,
  scenario: string,
  { found, noteOf }: { readonly found: Found; readonly noteOf: (reason: string) => number },
): string {
  const outcome = found.get(cell)?.find((one) => one.scenario === scenario);
  if (!outcome) return '';
  const expected = expectationOf(cell, scenario);
  if (outcome.failed > 0) return expected ? String(noteOf(expected.reason)) : 'FAILS';
  return outcome.passed > 0 ? '✓' : '·';
}
