import { expect, test } from 'vitest';
import { parseJson, parseJsonObject } from './json.ts';

test.each([
  '{"a":12345678901234567890}',
  '{"a":1.10,"b":-0,"c":1e400,"d":0.1,"e":[1.0,"1e5"]}',
  '{"__proto__":{"x":1},"y":"12345678901234567890"}',
])('%s goes out as it came in', (text) => {
  expect(JSON.stringify(parseJson(text))).toBe(text);
});

test('what is no object is refused', () => {
  expect(() => parseJsonObject('[1]')).toThrow(SyntaxError);
});
