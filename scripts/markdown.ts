/** Pieces of the generated pages. */
export const made = (source: string) => `<!-- Made from ${source} by \`npm run docs\`: change it there. -->\n`;

/** One row of a Markdown table. */
export function row(cells: readonly (string | number | undefined)[]): string {
  return `| ${cells
    .map((cell) =>
      String(cell ?? '')
        .replaceAll('|', '\\|')
        .replaceAll('\n', ' '),
    )
    .join(' | ')} |`;
}

export function table(head: readonly string[], rows: readonly (readonly (string | number | undefined)[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n');
}
