/**
 * Comma-separated values (RFC 4180) that no spreadsheet takes for formulas (SECURITY H3): text that begins like one gets an
 * apostrophe before it, numbers stay numbers.
 */
export type Cell = string | number | boolean | null | undefined;

/** What a spreadsheet begins to calculate at, also after blanks and quotes. */
const formula = /^[\s"']*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const needsQuotes = /[",\r\n]|^\s|\s$/;

function cellOf(value: Cell): string {
  if (value === null || value === undefined) return '';
  if (typeof value !== 'string') return String(value);
  const safe = formula.test(value) ? `'${value}` : value;
  return needsQuotes.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** One record with its line break. */
export const csvLine = (cells: readonly Cell[]): string => `${cells.map(cellOf).join(',')}\r\n`;
