/**
 * Which lines of the requirements a passing test proves. Run directly it is the gate: exit 1 when a line of the
 * committed baseline is no longer proved, or a title names an id that doesn't exist.
 *   --json     counts and uncovered ids per system, nothing else
 *   --update   write newly proved ids to the baseline (--force: also drop lost ones)
 */
import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { idsInTitle, readRun, reportFile } from '#kit/requirements-reporter.ts';
import { faults } from './requirements/faults.ts';
import type { Lines } from './requirements/line.ts';
import { s0 } from './requirements/s0.ts';
import { s1 } from './requirements/s1.ts';
import { s2 } from './requirements/s2.ts';
import { s3 } from './requirements/s3.ts';
import { s4 } from './requirements/s4.ts';
import { threats } from './requirements/threats.ts';
import { x } from './requirements/x.ts';

export interface Requirement {
  readonly id: string;
  readonly system: string;
  readonly text: string;
  /** Only a document can meet it. */
  readonly documents: boolean;
  /** What of it is still missing: never covered, whatever titles say. */
  readonly lacks: string | undefined;
}

export interface Coverage {
  readonly total: number;
  readonly covered: number;
  readonly uncovered: readonly string[];
}

/** System → lines, and how an id is made of a line's number. */
const systems: Readonly<Record<string, readonly [Lines, (number: string) => string]>> = {
  S0: [s0, (number) => `S0.${number}`],
  S1: [s1, (number) => `S1.${number}`],
  S2: [s2, (number) => `S2.${number}`],
  S3: [s3, (number) => `S3.${number}`],
  S4: [s4, (number) => `S4.${number}`],
  X: [x, (number) => `X${number}`],
  THREATS: [threats, (number) => number],
  FAULTS: [faults, (number) => `R${number}`],
};

export const requirements: readonly Requirement[] = Object.entries(systems).flatMap(([system, [lines, toId]]) =>
  Object.entries(lines).map(([number, line]) => ({
    id: toId(number),
    system,
    text: typeof line === 'string' ? line : line.text,
    documents: typeof line !== 'string' && 'documents' in line,
    lacks: typeof line !== 'string' && 'lacks' in line ? line.lacks : undefined,
  })),
);

/** Counts per system; `covered` may hold ids that don't exist. */
export function coverageOf(covered: ReadonlySet<string>): Readonly<Record<string, Coverage>> {
  return Object.fromEntries(
    Object.keys(systems).map((system) => {
      const lines = requirements.filter((line) => line.system === system);
      const uncovered = lines.filter((line) => !covered.has(line.id) || line.lacks !== undefined).map(({ id }) => id);
      return [system, { total: lines.length, covered: lines.length - uncovered.length, uncovered }];
    }),
  );
}

export function unknownIds(named: Iterable<string>): readonly string[] {
  const known = new Set(requirements.map((line) => line.id));
  return [...new Set(named)].filter((id) => !known.has(id)).sort();
}

interface Evidence {
  /** Ids proved. */
  readonly covered: ReadonlySet<string>;
  /** Every id that a title names. */
  readonly named: ReadonlySet<string>;
  readonly source: 'run' | 'titles';
}

/** From the last run's passed tests, or (no run yet) from the titles in the test files. */
export function readEvidence(root: string): Evidence {
  const found = globSync(['{src,test}/**/*.{test,contract}.ts'], { cwd: root });
  const present = new Set(found.map((file) => file.split(sep).join('/')));
  const run = readRun(root);
  if (run === undefined) {
    const lines = [...present].flatMap((file) => readFileSync(join(root, file), 'utf8').split('\n'));
    const titles = new Set(lines.filter((line) => /['"`]/.test(line)).flatMap(idsInTitle));
    return { covered: titles, named: titles, source: 'titles' };
  }
  const files = Object.entries(run.files).filter(([path]) => present.has(path));
  const covered = new Set(files.flatMap(([, ids]) => ids.passed));
  const named = new Set(files.flatMap(([, ids]) => [...ids.passed, ...ids.notPassed]));
  return { covered, named, source: 'run' };
}

function printTable(evidence: Evidence): void {
  process.stdout.write('          total  covered  uncovered\n');
  for (const [system, { total, covered, uncovered }] of Object.entries(coverageOf(evidence.covered))) {
    const counts = [String(total).padStart(5), String(covered).padStart(8), String(uncovered.length).padStart(10)];
    process.stdout.write(`${system.padEnd(9)} ${counts.join(' ')}\n`);
  }
  const documents = requirements.filter((line) => line.documents);
  const met = documents.filter((line) => evidence.covered.has(line.id)).length;
  process.stdout.write(`of these ${documents.length} lines that only documents can meet, ${met} covered\n`);
  for (const { id, lacks } of requirements)
    if (lacks !== undefined && evidence.covered.has(id)) process.stdout.write(`${id} in part, lacks: ${lacks}\n`);
}

interface Options {
  readonly json: boolean;
  readonly update: boolean;
  readonly force: boolean;
}

/** The gate. Resolves to the exit code. */
export function runGate(root: string, options: Options): number {
  const evidence = readEvidence(root);
  if (options.json) process.stdout.write(`${JSON.stringify(coverageOf(evidence.covered), null, 2)}\n`);
  else printTable(evidence);
  if (evidence.source === 'titles') {
    process.stderr.write(`No ${reportFile} yet (run the tests first): counted titles, passed or not.\n`);
  }
  const unknown = unknownIds(evidence.named);
  if (unknown.length > 0) process.stderr.write(`Titles name ids that don't exist: ${unknown.join(', ')}\n`);
  const baselineFile = join(root, 'test', 'requirements-baseline.json');
  const baseline: readonly string[] = JSON.parse(readFileSync(baselineFile, 'utf8'));
  const partly = new Set(requirements.filter(({ lacks }) => lacks !== undefined).map(({ id }) => id));
  const lost = baseline.filter((id) => !evidence.covered.has(id) || partly.has(id));
  if (options.update) writeBaseline(baselineFile, evidence.covered, options.force ? [] : baseline);
  const isLoss = lost.length > 0 && !(options.update && options.force);
  if (isLoss) process.stderr.write(`No passing test proves these lines any more: ${lost.join(', ')}\n`);
  return unknown.length > 0 || isLoss ? 1 : 0;
}

function writeBaseline(file: string, covered: ReadonlySet<string>, kept: readonly string[]): void {
  const whole = requirements.filter(({ lacks }) => lacks === undefined).map((line) => line.id);
  const ids = whole.filter((id) => covered.has(id) || kept.includes(id));
  writeFileSync(file, `${JSON.stringify(ids, null, 2)}\n`);
  process.stderr.write(`Baseline: ${ids.length} lines.\n`);
}

if (import.meta.main) {
  const has = (flag: string) => process.argv.includes(flag);
  const options = { json: has('--json'), update: has('--update'), force: has('--force') };
  process.exitCode = runGate(join(import.meta.dirname, '..'), options);
}
