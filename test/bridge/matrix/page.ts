/** docs/reference/compatibility.md, made of what the matrix's checks found: no dates, no timings. */
import { join } from 'node:path';
import { table } from '#scripts/markdown.ts';
import type { ClientRow } from './clients.ts';
import type { Feature } from './feature.ts';
import { type Reason, reasons } from './reasons.ts';
import type { ServerColumn } from './servers.ts';

export const compatibilityFile = join(import.meta.dirname, '../../../docs/reference/compatibility.md');

/** Reason: it cannot be; error: it should, and does not. */
export type Mark = { readonly ok: true } | { readonly gap: Reason } | { readonly error: string };

export interface Cell {
  readonly row: ClientRow;
  readonly column: ServerColumn;
  readonly feature: Feature;
  readonly mark: Mark;
}

export interface Axes {
  readonly rows: readonly ClientRow[];
  readonly columns: readonly ServerColumn[];
  readonly features: readonly Feature[];
}

export function compatibilityPage({ rows, columns, features }: Axes, cells: readonly Cell[]): string {
  const numbers = Object.keys(reasons).filter((reason) =>
    cells.some(({ mark }) => 'gap' in mark && mark.gap === reason),
  );
  const write = (mark: Mark | undefined) => {
    if (mark === undefined) return '?';
    if ('ok' in mark) return '✓';
    return 'gap' in mark ? `–${numbers.indexOf(mark.gap) + 1}` : '✗';
  };
  const tableOf = (feature: Feature) => {
    const lines = rows.map((row) => [
      row.title,
      ...columns.map((column) =>
        write(cells.find((cell) => cell.feature === feature && cell.row === row && cell.column === column)?.mark),
      ),
    ]);
    const distinct = new Set(lines.flatMap((line) => line.slice(1)));
    if (distinct.size === 1 && distinct.has('✓')) return 'Every client with every server: ✓';
    return table(['client', ...columns.map(({ title }) => title)], lines);
  };
  const groups = [...new Set(features.map(({ group }) => group))];
  const sections = groups.flatMap((group) => [
    `## ${group}`,
    ...features
      .filter((feature) => feature.group === group)
      .map((feature) => `### ${feature.title}\n\n${tableOf(feature)}`),
  ]);
  const listed = numbers.map((reason, i) => `${i + 1}. ${reasons[reason as Reason]}`).join('\n');
  return `<!-- Made by \`npm run compatibility\` from test/bridge/matrix/: change it there. -->

# Compatibility

Which client reaches what of which server through the gateway. Rows are the client's revision and transport, columns the
server's era and transport; ✓ was seen with the official SDKs on both ends by the test that writes this page, – with a
number is a gap of the protocol itself, with its reason below.

"legacy" servers speak 2024-11-05 to 2025-11-25 (SDK 1.x), "modern" ones 2026-07-28 only (SDK 2.x).

${sections.join('\n\n')}

## Reasons

${listed}
`;
}
