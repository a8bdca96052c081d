/**
 * Vitest reporter that remembers which requirement ids (`[S0.8]` in a title) belong to tests that passed, per test
 * file, so that a run of some files replaces only what it ran. test/requirements.ts reads the result.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import type { Reporter, TestCase, TestModule, Vitest } from 'vitest/node';

export const reportFile = '.cache/requirements-run.json';

export interface RequirementsRun {
  readonly startedAt: string;
  /** Test file (from the root, with `/`) → ids in titles of its passed and of its other tests. */
  readonly files: Readonly<
    Record<string, { readonly passed: readonly string[]; readonly notPassed: readonly string[] }>
  >;
}

/** `[S0.1]`, `[X1.2]`, `[A17]`, `[R35]`, `[C1.1]`: what looks like an id, known or not. */
const idPattern = /\[([A-Z]\d{1,3}(?:\.\d{1,3})?)\]/g;

export function idsInTitle(title: string): readonly string[] {
  return [...title.matchAll(idPattern)].map((match) => match[1] ?? '');
}

/** The report of the last run, or undefined where there is none. */
export function readRun(root: string): RequirementsRun | undefined {
  try {
    return JSON.parse(readFileSync(join(root, reportFile), 'utf8'));
  } catch {
    return undefined;
  }
}

export class RequirementsReporter implements Reporter {
  readonly #startedAt = new Date().toISOString();
  #root = process.cwd();

  onInit(vitest: Vitest): void {
    this.#root = vitest.config.root;
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const files = { ...readRun(this.#root)?.files };
    for (const module of modules) {
      const path = relative(this.#root, module.moduleId).split(sep).join('/');
      const tests = [...module.children.allTests()];
      const passed = idsOf(tests.filter((test) => test.result().state === 'passed'));
      const notPassed = idsOf(tests.filter((test) => test.result().state !== 'passed'));
      files[path] = { passed, notPassed };
    }
    const run: RequirementsRun = { startedAt: this.#startedAt, files };
    const target = join(this.#root, reportFile);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, `${JSON.stringify(run, null, 1)}\n`);
  }
}

/** Ids in the tests' own titles and in those of the suites around them. */
function idsOf(tests: readonly TestCase[]): readonly string[] {
  return [...new Set(tests.flatMap((test) => idsInTitle(test.fullName)))].sort();
}
