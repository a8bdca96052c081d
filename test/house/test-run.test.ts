import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { readRun } from '#kit/requirements-reporter.ts';
import { countLine, failures } from '#scripts/test.ts';

const counts = { numPassedTests: 3, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] };
const brokenFile = { name: 'a.test.ts', status: 'failed', message: 'no such module\n at b', assertionResults: [] };

test('the closing line counts tests, and is never clean after a failure', () => {
  expect(countLine(counts, 0)).toBe('3 passed, 0 failed');
  expect(countLine({ ...counts, numFailedTests: 2, numPendingTests: 1, numTodoTests: 1 }, 1)).toBe(
    '3 passed, 2 failed, 2 skipped',
  );
  expect(countLine({ ...counts, testResults: [brokenFile] }, 1)).toBe('3 passed, 1 failed');
  expect(countLine(counts, 1)).toBe('3 passed, 1 failed');
  expect(countLine(undefined, 1)).toBe('0 passed, 1 failed');
});

test('what failed is named at the end, a line each', () => {
  const result = (status: string) => ({
    status,
    fullName: `a ${status} test`,
    failureMessages: ['Error: why\n  at c'],
  });
  const file = { name: 'c.test.ts', status: 'failed', message: '', assertionResults: ['passed', 'failed'].map(result) };
  expect(failures({ ...counts, testResults: [brokenFile, file] })).toEqual([
    'a.test.ts: no such module',
    'c.test.ts: a failed test: Error: why',
  ]);
  expect(failures(undefined)).toEqual([]);
});

test('every run has the reporter', () => {
  expect(readFileSync('vitest.config.ts', 'utf8')).toMatch(/reporters: \[.*new RequirementsReporter\(\)/);
});

test('the reporter remembers passed titles per file and forgets only what ran again', async () => {
  const root = mkdtempSync(join(tmpdir(), 'gatehouse-reporter-'));
  try {
    mkdirSync(join(root, 'test/kit'), { recursive: true });
    writeFileSync(
      join(root, 'vitest.config.ts'),
      `import { RequirementsReporter } from './test/kit/requirements-reporter.ts';
       export default { test: { reporters: [new RequirementsReporter()] } };`,
    );
    cpSync('test/kit/requirements-reporter.ts', join(root, 'test/kit/requirements-reporter.ts'));
    symlinkSync(join(process.cwd(), 'node_modules'), join(root, 'node_modules'));
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    const id = (number: number) => `[S0.${number}]`;
    writeFileSync(
      join(root, 'test/a.test.ts'),
      `import { describe, test } from 'vitest';
       describe('all ${id(1)}', () => { test('good ${id(2)}', () => {}); });
       test('bad ${id(3)}', () => { throw new Error('no'); });
       test.skip('left out ${id(4)}', () => {});`,
    );
    writeFileSync(join(root, 'test/b.test.ts'), `import { test } from 'vitest'; test('b ${id(5)}', () => {});`);
    const vitest = (...args: readonly string[]) =>
      promisify(execFile)(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...args], { cwd: root });
    await vitest().catch(() => undefined);
    await vitest('test/b.test.ts');
    expect(readRun(root)?.files).toEqual({
      'test/a.test.ts': { passed: ['S0.1', 'S0.2'], notPassed: ['S0.3', 'S0.4'] },
      'test/b.test.ts': { passed: ['S0.5'], notPassed: [] },
    });
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
