import { expect, test } from 'vitest';
import { csvLine } from './csv.ts';

test.each(['=cmd|"/c calc"!A1', '+1', '-1', '@SUM(1)', '\t=1', '\r=1', '"=1', '  =1', '＝1'])(
  'text that begins like a formula is neutralised: %j [H3]',
  (text) => {
    const line = csvLine([text]);
    expect(line.replace(/^"/, '').startsWith("'")).toBe(true);
  },
);

test('numbers stay numbers, and quotes are doubled (RFC 4180) [H3]', () => {
  expect(csvLine([-1, 1.5, null, true, 'a "b", c', 'two\nlines', 'plain'])).toBe(
    '-1,1.5,,true,"a ""b"", c","two\nlines",plain\r\n',
  );
});
