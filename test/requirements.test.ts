import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { idsInTitle, type RequirementsRun, reportFile } from '#kit/requirements-reporter.ts';
import { coverageOf, requirements, runGate, unknownIds } from './requirements.ts';

let root = '';
let printed = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'gatehouse-requirements-'));
  for (const folder of ['.cache', 'src', 'test']) mkdirSync(join(root, folder));
  printed = '';
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((text) => {
      printed += String(text);
      return true;
    });
  }
});

afterEach(() => {
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

const options = { json: false, update: false, force: false };
const bracketed = (id: string) => `[${id}]`;
const baselineFile = () => join(root, 'test', 'requirements-baseline.json');
const readBaseline = () => JSON.parse(readFileSync(baselineFile(), 'utf8'));

function prepare(baseline: readonly string[], passed?: readonly string[], notPassed: readonly string[] = []): void {
  writeFileSync(baselineFile(), JSON.stringify(baseline));
  writeFileSync(join(root, 'src', 'a.test.ts'), `test('a title ${bracketed('S0.8')}', () => {});\n`);
  if (passed === undefined) return;
  const run: RequirementsRun = { startedAt: '', files: { 'src/a.test.ts': { passed, notPassed } } };
  writeFileSync(join(root, reportFile), JSON.stringify(run));
}

test('every line of the requirements is listed once', () => {
  const totals = Object.entries(coverageOf(new Set())).map(([system, { total }]) => [system, total]);
  expect(Object.fromEntries(totals)).toEqual({
    S0: 46,
    S1: 51,
    S2: 40,
    S3: 36,
    S4: 27,
    X: 23,
    THREATS: 158,
    FAULTS: 35,
  });
  expect(new Set(requirements.map((line) => line.id)).size).toBe(requirements.length);
});

test('ids are read from titles, also several', () => {
  expect(idsInTitle(`x ${bracketed('S0.8')} ${bracketed('X0.1')} ${bracketed('A17')}`)).toEqual([
    'S0.8',
    'X0.1',
    'A17',
  ]);
  expect(unknownIds(['S0.46', 'S0.47', 'A27', 'R35'])).toEqual(['A27', 'S0.47']);
});

test('only passed tests count, and a lost line of the baseline fails the gate', () => {
  prepare(['S0.8', 'X0.1'], ['S0.8'], ['X0.1']);
  expect(runGate(root, options)).toBe(1);
  expect(printed).toContain('No passing test proves these lines any more: X0.1');
  prepare(['S0.8', 'X0.1'], ['S0.8', 'X0.1']);
  expect(runGate(root, options)).toBe(0);
});

test('an unknown id in a title fails the gate', () => {
  prepare([], ['S0.8'], ['S0.99']);
  expect(runGate(root, options)).toBe(1);
  expect(printed).toContain("ids that don't exist: S0.99");
});

test('the baseline only grows, unless forced', () => {
  prepare(['S0.9'], ['S0.8']);
  runGate(root, { ...options, update: true });
  expect(readBaseline()).toEqual(['S0.8', 'S0.9']);
  expect(runGate(root, { ...options, update: true, force: true })).toBe(0);
  expect(readBaseline()).toEqual(['S0.8']);
});

test('without a run the titles are counted, and that is said', () => {
  prepare(['S0.8']);
  expect(runGate(root, options)).toBe(0);
  expect(printed).toContain('counted titles');
});

test('--json prints the counts and nothing else', () => {
  prepare([], ['S0.8']);
  runGate(root, { ...options, json: true });
  const counts = JSON.parse(printed);
  expect(Object.keys(counts)).toEqual(['S0', 'S1', 'S2', 'S3', 'S4', 'X', 'THREATS', 'FAULTS']);
  expect(counts.S0).toMatchObject({ total: 46, covered: 1 });
  expect(counts.S0.uncovered).not.toContain('S0.8');
});
