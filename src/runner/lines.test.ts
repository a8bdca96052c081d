import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lineReader } from './lines.ts';

test('lines are the same however the bytes were cut', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.integer({ min: 1, max: 9 })), (lines, cuts) => {
      const clean = lines.map((line) => line.replace(/[\r\n]/g, '')).filter((line) => line !== '');
      const bytes = Buffer.from(clean.map((line, i) => line + (i % 2 ? '\r\n' : '\n')).join(''));
      const seen: string[] = [];
      const reader = lineReader(1000, { onLine: (line) => seen.push(line.toString()), onTooLong() {} });
      let at = 0;
      for (let i = 0; at < bytes.length; i++) {
        const step = cuts.length > 0 ? (cuts[i % cuts.length] ?? 1) : bytes.length;
        reader.push(bytes.subarray(at, at + step));
        at += step;
      }
      expect(seen).toEqual(clean);
    }),
  );
});

test('a line over the cap is reported once, and nothing after it', () => {
  const seen: string[] = [];
  let tooLong = 0;
  const reader = lineReader(4, { onLine: (line) => seen.push(line.toString()), onTooLong: () => tooLong++ });
  for (const chunk of ['1234\n', '12', '34', '5', '\n', 'ok\n']) reader.push(Buffer.from(chunk));
  expect(seen).toEqual(['1234']);
  expect(tooLong).toBe(1);
});
