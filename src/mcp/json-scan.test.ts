import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultJsonLimits, JsonScanner } from './json-scan.ts';

const scan = (text: string | Buffer, limits = defaultJsonLimits) =>
  new JsonScanner(Buffer.isBuffer(text) ? text : Buffer.from(text), limits).scanObject('params');

function accepts(text: string | Buffer): boolean {
  try {
    scan(text);
    return true;
  } catch {
    return false;
  }
}

test('every object that JSON.stringify writes is accepted, and its members are where they are said to be', () => {
  const object = fc.dictionary(
    fc.string().filter((key) => key !== '__proto__'),
    fc.jsonValue({ maxDepth: 6, noUnicodeString: false }),
  );
  fc.assert(
    fc.property(object, (value) => {
      const text = JSON.stringify(value);
      if (text.includes('__proto__')) return;
      const bytes = Buffer.from(text);
      const { members } = scan(bytes);
      const read = Object.fromEntries(
        members.map((m) => [m.key, JSON.parse(bytes.toString('utf8', m.valueStart, m.valueEnd))]),
      );
      expect(read).toEqual(JSON.parse(text));
    }),
  );
});

test('what JSON.parse refuses is refused: no mutation of a message gets through that it would not [D2]', () => {
  const seed =
    '{"jsonrpc":"2.0","id":1e2,"method":"tools/call","params":{"name":"a\\u0041","arguments":{"x":[1,-0.5,true,null,{"y":""}]}}}';
  const mutation = fc.record({ at: fc.nat(seed.length), cut: fc.nat(3), text: fc.string({ maxLength: 3 }) });
  fc.assert(
    fc.property(mutation, ({ at, cut, text }) => {
      const mutated = seed.slice(0, at) + text + seed.slice(at + cut);
      if (accepts(mutated)) expect(() => JSON.parse(mutated)).not.toThrow();
    }),
    { numRuns: 3000 },
  );
});

test.each([
  ['a key twice', '{"a":1,"a":2}'],
  ['a key twice, once escaped', '{"name":1,"n\\u0061me":2}'],
  ['a key twice, deep inside', '{"a":[{"b":{"c":1,"c":2}}]}'],
  ['__proto__', '{"a":{"__proto__":{}}}'],
  ['__proto__ escaped', '{"\\u005f_proto__":{}}'],
  ['a BOM', '\ufeff{}'],
  ['trailing data', '{} {}'],
  ['a comment', '{/**/}'],
  ['NaN', '{"a":NaN}'],
  ['a leading zero', '{"a":01}'],
  ['a raw newline in a string', '{"a":"\n"}'],
  ['an unknown escape', '{"a":"\\x41"}'],
  ['an unterminated string', '{"a":"'],
  ['a trailing comma', '{"a":1,}'],
  ['a bare value', '42'],
  ['nothing', ''],
])('%s is refused [D1]', (_name, text) => {
  expect(accepts(text)).toBe(false);
});

test('invalid UTF-8 and UTF-16 are refused [D1]', () => {
  expect(accepts(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toBe(false);
  expect(accepts(Buffer.from('{"a":1}', 'utf16le'))).toBe(false);
});

test('a batch is refused before anything in it is read', () => {
  expect(() => scan('[{broken')).toThrow('Batch requests are not supported');
});

test('depth, keys, values and string length are bounded [E11]', () => {
  expect(accepts(`${'{"a":'.repeat(32)}1${'}'.repeat(32)}`)).toBe(true);
  expect(accepts(`${'{"a":'.repeat(33)}1${'}'.repeat(33)}`)).toBe(false);
  expect(accepts(`{"a":${'['.repeat(1_000_000)}`)).toBe(false);
  const keys = (n: number) => `{${Array.from({ length: n }, (_, i) => `"k${i}":1`).join(',')}}`;
  expect(accepts(keys(5000))).toBe(true);
  expect(accepts(keys(5001))).toBe(false);
  expect(accepts(`{"a":[${'1,'.repeat(200_000)}1]}`)).toBe(false);
  expect(accepts(`{"a":"${'x'.repeat(1_048_577)}"}`)).toBe(false);
});
