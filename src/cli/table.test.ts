import { expect, test } from 'vitest';
import { printTable } from './table.ts';

const rows = [
  ['01a1fd6f-d357-7c86-9788-ee36c3d5a25e', 'organization', 'Interns', 'github create_issue', '2000 in 1d, burst 40'],
];
const header = ['ID', 'COUNTS', 'FOR', 'CALLS', 'RATE'];

function printed(outIsTerminal: boolean, outColumns: number, cells: readonly (readonly string[])[] = rows) {
  let out = '';
  const add = (text: string) => {
    out += text;
  };
  printTable({ out: add, err: () => undefined, outIsTerminal, outColumns }, header, cells);
  return out.split('\n').slice(0, -1);
}

test('a pipe gets one line for each row, without a header', () => {
  expect(printed(false, 80)).toHaveLength(1);
});

test('a terminal that is wide enough has a table', () => {
  expect(printed(true, 120)).toHaveLength(2);
});

test('a terminal of 80 columns has whole ids on lines of their own', () => {
  const lines = printed(true, 80);
  expect(lines.every((line) => line.length <= 80)).toBe(true);
  expect(lines.at(-1)).toBe('  01a1fd6f-d357-7c86-9788-ee36c3d5a25e');
});

test('cells that are too wide go on below, and nothing is lost', () => {
  const lines = printed(true, 40, [['1', 'a', 'b', 'https://token.example.com/of/somebody', 'x y z']]);
  expect(lines.every((line) => line.length <= 40)).toBe(true);
  expect(lines.join('').replaceAll(/\s/g, '')).toContain('somebody');
});
