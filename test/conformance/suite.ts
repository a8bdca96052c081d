/** Runs the official suite's command line against one address and reads what it wrote. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

export const revisions = ['2025-11-25', '2026-07-28'] as const;
export type Revision = (typeof revisions)[number];

export interface ScenarioOutcome {
  readonly scenario: string;
  /** False: run for information (extension, pending, added later), never a failure. */
  readonly required: boolean;
  readonly passed: number;
  readonly failed: number;
  /** One line per failed check. */
  readonly failures: readonly string[];
}

export const suiteDir = dirname(
  createRequire(import.meta.url).resolve('@modelcontextprotocol/conformance/package.json'),
);
const requirements = z.object({ server: z.array(z.string()) });
const checks = z.array(z.object({ id: z.string(), status: z.string(), errorMessage: z.string().optional() }));

/** Names of the scenarios that conformance to the revision requires of a server. */
export function requiredScenarios(revision: Revision): readonly string[] {
  const file = join(suiteDir, 'requirements', `${revision}.yaml`);
  return requirements.parse(parse(readFileSync(file, 'utf8'))).server;
}

/** Every scenario of the revision, in the suite's order. The suite's files go to a temporary folder and are removed. */
export async function runSuite(url: string, revision: Revision): Promise<readonly ScenarioOutcome[]> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  try {
    await runCli(['server', '--url', url, '--requirements', revision, '-o', folder]);
    const required = new Set(requiredScenarios(revision));
    const written = readdirSync(folder).filter((name) => existsSync(join(folder, name, 'checks.json')));
    const found = written.map((name) => readOutcome(join(folder, name), name, required));
    const seen = new Set(found.map(({ scenario }) => scenario));
    const missing = [...required].filter((scenario) => !seen.has(scenario));
    return [...found, ...missing.map(notRun)];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const notRun = (scenario: string): ScenarioOutcome => ({
  scenario,
  required: true,
  passed: 0,
  failed: 1,
  failures: ['the suite wrote no result (timed out or crashed)'],
});

/** What the suite wrote about one scenario: the folder `name` at `path`. */
export function readOutcome(path: string, name: string, required: ReadonlySet<string>): ScenarioOutcome {
  const scenario = name.replace(/^server-/, '').replace(/-\d{4}-\d\d-\d\dT[\d-]+Z$/, '');
  const list = checks.parse(JSON.parse(readFileSync(join(path, 'checks.json'), 'utf8')));
  const failed = list.filter(({ status }) => status === 'FAILURE');
  return {
    scenario,
    required: required.has(scenario),
    passed: list.filter(({ status }) => status === 'SUCCESS').length,
    failed: failed.length,
    failures: failed.map(({ id, errorMessage }) => `${id}: ${errorMessage ?? 'failed'}`),
  };
}

/** Its exit code is not asked: it also counts what is not required. */
function runCli(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const options = { timeout: 170_000, maxBuffer: 64 * 1024 * 1024 };
    execFile(process.execPath, [join(suiteDir, 'dist/index.js'), ...args], options, (error) => {
      if (error?.killed) reject(new Error('The conformance suite did not end in time'));
      else resolve();
    });
  });
}

/** A readable table, required scenarios first. */
export function renderOutcomes(title: string, outcomes: readonly ScenarioOutcome[]): string {
  const lines = [`\n${title}`];
  for (const part of [true, false]) {
    for (const outcome of outcomes.filter(({ required }) => required === part)) {
      const mark = outcome.failed === 0 ? 'ok  ' : part ? 'FAIL' : 'info';
      lines.push(`  ${mark} ${outcome.scenario.padEnd(48)} ${outcome.passed} passed, ${outcome.failed} failed`);
      if (part) for (const failure of outcome.failures) lines.push(`         ${failure}`);
    }
  }
  const required = outcomes.filter((outcome) => outcome.required);
  const good = required.filter(({ failed }) => failed === 0).length;
  lines.push(`  ${good} of ${required.length} required scenarios pass`);
  return lines.join('\n');
}

export const failedRequired = (outcomes: readonly ScenarioOutcome[]) =>
  outcomes.filter(({ required, failed }) => required && failed > 0);
