/** Tables: columns for pipes as they are, for a terminal no wider than it is. */
import type { Io } from './io.ts';
import { printable } from './output.ts';

type Row = readonly string[];

const gap = 2;

/** Columns padded to their widest cell; nothing at all for no rows. */
export function printTable(
  io: Pick<Io, 'out' | 'err' | 'outIsTerminal' | 'outColumns'>,
  header: Row,
  rows: readonly Row[],
): void {
  if (rows.length === 0) {
    io.err('Nothing there yet.\n');
    return;
  }
  const clean = rows.map((row) => header.map((_, i) => printable(row[i] ?? '')));
  const lines = io.outIsTerminal
    ? fitted(header, clean, io.outColumns ?? 80)
    : aligned(clean, widthsOf([header, ...clean]));
  io.out(lines.map((line) => `${line.trimEnd()}\n`).join(''));
}

const widthsOf = (rows: readonly Row[]): readonly number[] =>
  (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)));

const totalOf = (widths: readonly number[]) =>
  widths.reduce((sum, width) => sum + width, 0) + gap * (widths.length - 1);

const aligned = (rows: readonly Row[], widths: readonly number[]) =>
  rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(' '.repeat(gap)));

/** What is too wide has its ids on lines of their own, whole, to be copied; then the widest columns are wrapped. */
function fitted(header: Row, rows: readonly Row[], columns: number): readonly string[] {
  const all = [header, ...rows];
  if (totalOf(widthsOf(all)) <= columns) return aligned(all, widthsOf(all));
  const id = header.indexOf('ID');
  const rest = all.map((row) => row.filter((_, i) => i !== id));
  const widths = narrowed(widthsOf(rest), columns);
  return rest.flatMap((row, i) => {
    const lines = aligned(wrapped(row, widths), widths);
    return id < 0 ? lines : [...lines, `  ${all[i]?.[id] ?? ''}`];
  });
}

/** The widest column gives way first; none below 8. */
function narrowed(widths: readonly number[], columns: number): readonly number[] {
  const result = [...widths];
  while (totalOf(result) > columns) {
    const widest = Math.max(...result);
    if (widest <= 8) break;
    result[result.indexOf(widest)] = widest - 1;
  }
  return result;
}

function wrapped(row: Row, widths: readonly number[]): readonly Row[] {
  const cells = row.map((cell, i) => cut(cell, widths[i] ?? cell.length));
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => cells.map((lines) => lines[line] ?? ''));
}

/** At a space, a comma or a slash where there is one in the second half. */
function cut(text: string, width: number): readonly string[] {
  if (text.length <= width) return [text];
  const head = text.slice(0, width);
  const at = Math.max(...[' ', ',', '/', '-'].map((mark) => head.lastIndexOf(mark))) + 1;
  const end = at > width / 2 ? at : width;
  return [text.slice(0, end).trimEnd(), ...cut(text.slice(end), width)];
}
