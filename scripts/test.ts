/** `npm test`: every check the project has, each announced with its time; the last line counts the tests. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { reportFile as requirementsReport } from '#kit/requirements-reporter.ts';

interface Step {
  readonly title: string;
  readonly command: readonly string[];
}

/** The part of vitest's JSON report that is read here. */
interface VitestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

export const vitestReport = '.cache/vitest.json';

function stepsFor(args: readonly string[]): readonly Step[] {
  const steps: Step[] = [
    { title: 'types (tsc)', command: ['tsc'] },
    { title: 'types of the portal (tsc)', command: ['tsc', '--project', 'portal'] },
    { title: 'style (biome)', command: ['biome', 'check', '.'] },
    { title: 'structure (layers, names, sizes)', command: ['node', 'scripts/check-structure.ts'] },
    { title: 'dead code (knip)', command: ['knip'] },
    { title: 'tests (vitest)', command: ['vitest', 'run', ...args] },
  ];
  // A selection of tests can't cover every line, so the gate judges whole runs only.
  if (args.length === 0) steps.push({ title: 'requirements', command: ['node', 'test/requirements.ts'] });
  return steps;
}

/** Runs all steps, also after a failure; resolves to the exit code. `args` go to vitest. */
export async function runTests(root: string, args: readonly string[]): Promise<number> {
  for (const file of [vitestReport, requirementsReport]) rmSync(join(root, file), { force: true });
  const failed: string[] = [];
  let testsExitCode = 0;
  let isStopped = false;
  process.once('SIGTERM', () => {
    isStopped = true;
  });
  for (const step of stepsFor(args)) {
    if (isStopped) return 143;
    process.stdout.write(`\n▶ ${step.title}\n`);
    const startedAt = performance.now();
    const code = await run(root, step.command);
    const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
    process.stdout.write(`${code === 0 ? '✔' : '✘'} ${step.title} (${seconds} s)\n`);
    if (code !== 0) failed.push(step.title);
    if (step.command[0] === 'vitest') testsExitCode = code;
  }
  if (failed.length > 0) process.stdout.write(`\nFailed: ${failed.join(', ')}\n`);
  const report = readReport(root);
  for (const line of failures(report)) process.stdout.write(`  ${line}\n`);
  process.stdout.write(`\n${countLine(report, testsExitCode)}\n`);
  return failed.length === 0 ? 0 : 1;
}

function run(root: string, [program = '', ...args]: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
    const stop = () => child.kill();
    process.once('SIGTERM', stop);
    child.on('error', (error) => {
      process.stdout.write(`${program} could not be started: ${error.message}\n`);
      resolve(1);
    });
    child.on('exit', (code) => {
      process.removeListener('SIGTERM', stop);
      resolve(code ?? 1);
    });
  });
}

function readReport(root: string): VitestReport | undefined {
  const file = join(root, vitestReport);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** A line for each test that failed, with the first line of why: the end of a long log is what is looked at. */
export function failures(report: VitestReport | undefined): string[] {
  return (report?.testResults ?? []).flatMap(({ name, status, message, assertionResults }) => {
    const failed = assertionResults.filter((test) => test.status === 'failed');
    if (failed.length === 0) return status === 'failed' ? [`${name}: ${firstLine(message)}`] : [];
    return failed.map((test) => `${name}: ${test.fullName}: ${firstLine(test.failureMessages?.[0])}`);
  });
}

const firstLine = (text = ''): string => text.split('\n', 1)[0]?.slice(0, 200) ?? '';

/** `N passed, N failed[, N skipped]`: a file that could not even be loaded counts as one failed test. */
export function countLine(report: VitestReport | undefined, exitCode: number): string {
  if (report === undefined) return '0 passed, 1 failed';
  const brokenFiles = report.testResults.filter(
    (file) => file.status === 'failed' && file.assertionResults.length === 0,
  ).length;
  const counted = report.numFailedTests + brokenFiles;
  const failed = counted === 0 && exitCode !== 0 ? 1 : counted;
  const skipped = report.numPendingTests + report.numTodoTests;
  return `${report.numPassedTests} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
