/** Medians of the rounds as a table, and the page docs/reference/benchmarks.md. */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { connections, fixedRate, quantile, type Sample } from './measure.ts';
import type { Variant } from './variants.ts';

export interface Row {
  readonly variant: Pick<Variant, 'name' | 'does'>;
  readonly samples: readonly Sample[];
}

export interface Run {
  readonly rounds: number;
  readonly seconds: number;
  /** `YYYY-MM-DD` */
  readonly date: string;
  /** Rows of the second table, its head first; none: it was not measured. */
  readonly aggregated: readonly (readonly string[])[];
}

const median = (values: readonly number[]) =>
  quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
const medianOf = (row: Row, field: keyof Sample) => median(row.samples.map((sample) => sample[field]));

const columns = [
  'variant',
  'CPU µs/call',
  '× nginx',
  '× relay',
  'calls/s',
  'p50 ms',
  'p99 ms',
  'MB',
  'errors',
] as const;

export function tableOf(rows: readonly Row[]): readonly (readonly string[])[] {
  const cpu = (name: string) => {
    const row = rows.find(({ variant }) => variant.name === name);
    return row ? medianOf(row, 'cpuMicrosecondsPerCall') : Number.NaN;
  };
  const [nginx, relay] = [cpu('nginx'), cpu('bare node:http relay')];
  return rows.map((row) => {
    const own = medianOf(row, 'cpuMicrosecondsPerCall');
    return [
      row.variant.name,
      number(own === 0 ? Number.NaN : own, 1),
      number(own / nginx || Number.NaN, 2),
      number(own / relay || Number.NaN, 2),
      number(medianOf(row, 'requestsPerSecond'), 0),
      number(medianOf(row, 'p50'), 2),
      number(medianOf(row, 'p99'), 2),
      number(medianOf(row, 'residentBytes') / 1e6 || Number.NaN, 0),
      String(row.samples.reduce((sum, { errors }) => sum + errors, 0)),
    ];
  });
}

const number = (value: number, digits: number) => (Number.isFinite(value) ? value.toFixed(digits) : '–');

export function renderText(rows: readonly Row[]): string {
  const lines = [columns, ...tableOf(rows)];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  return lines
    .map((line) => line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))))
    .map((cells) => cells.join('  '))
    .join('\n');
}

function aggregatedSection([head, ...rows]: Run['aggregated']): string {
  if (!head) return '';
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return `## Many servers as one, eras bridged

${table.join('\n')}

Lists are warm, of five servers; a call that can't pass as bytes is parsed and written anew. One request after the other for the
latency, eight at a time for the CPU.

`;
}

export function writePage(rows: readonly Row[], run: Run): string {
  const file = join(import.meta.dirname, '../docs/reference/benchmarks.md');
  const table = [columns, columns.map(() => '---'), ...tableOf(rows)].map((cells) => `| ${cells.join(' | ')} |`);
  const nginx = rows.some(({ variant }) => variant.name === 'nginx')
    ? ''
    : '\nnginx was not installed where this ran: its column stays empty.\n';
  writeFileSync(
    file,
    `# Benchmarks

Made by \`npm run bench\` on ${run.date}: ${availableParallelism()} cores, Node ${process.versions.node}. Absolute figures drift with the machine; the ratios are what to compare.

${table.join('\n')}
${nginx}
What each variant does with a call:

${rows.map(({ variant }) => `- **${variant.name}**: ${variant.does}.`).join('\n')}

${aggregatedSection(run.aggregated)}## Method

- One \`tools/call\` of about 200 bytes, a small JSON answer, HTTP/1.1 with keep-alive, everything on loopback.
- One upstream for all (a minimal \`node:http\` answerer in a process of its own); peers that can only wrap stdio get a stdio server with the same answers, whose own time is not counted.
- The variants take turns: ${run.rounds} rounds, each with ${run.seconds} s as fast as it goes (autocannon, ${connections} connections) and ${run.seconds} s at ${fixedRate} calls/s. The figures are medians of the rounds.
- CPU is user and system time of the variant's processes from \`/proc\`, divided by the calls answered while going flat out. Latency is measured at the fixed rate from the planned moment of sending, so that a stall counts for every call it delays.
- Gatehouse runs as it is delivered; only its limits are raised in the configuration (bench/variants.ts).
`,
  );
  return file;
}
