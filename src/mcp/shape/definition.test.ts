import { expect, test } from 'vitest';
import { type JsonObject, parseJson } from '#core/json.ts';
import { definitionDiff, definitionHash } from './definition.ts';
import { hiddenCharacters } from './hidden-characters.ts';

const tool = {
  name: 'find',
  description: 'Finds.',
  inputSchema: { type: 'object', properties: { q: { type: 'string', maxLength: 10 } } },
  annotations: { readOnlyHint: true },
};

test('the hash knows no order of keys, and every change of what a model or person decides by', () => {
  const { annotations, inputSchema, description, name } = tool;
  const again = { annotations, inputSchema: { properties: inputSchema.properties, type: 'object' }, description, name };
  expect(definitionHash(again)).toBe(definitionHash(tool));
  expect(definitionHash({ ...tool, _meta: { seen: 1 } })).toBe(definitionHash(tool));
  const changes: readonly JsonObject[] = [
    { description: 'Finds!' },
    { title: 'x' },
    { annotations: { readOnlyHint: false } },
    { outputSchema: { type: 'object' } },
    { inputSchema: { ...inputSchema, required: ['q'] } },
    { inputSchema: parseJson('{"type":"object","properties":{"q":{"type":"string","maxLength":10.0}}}') },
  ];
  for (const change of changes) {
    expect(definitionHash({ ...tool, ...change })).not.toBe(definitionHash(tool));
  }
});

test('a diff names the changed paths, with hidden characters written out', () => {
  const long = 'x'.repeat(5000);
  const after = {
    ...tool,
    description: `${long}\u202e`,
    inputSchema: { type: 'object', properties: { q: { type: 'string' }, 'n\u200b': {} } },
  };
  expect(definitionDiff({ ...tool, description: long }, after)).toEqual([
    { path: 'description', change: 'changed', before: `…${'x'.repeat(60)}`, after: `…${'x'.repeat(60)}\\u{202e}` },
    { path: 'inputSchema.properties.n\\u{200b}', change: 'added', before: undefined, after: '{}' },
    { path: 'inputSchema.properties.q.maxLength', change: 'removed', before: '10', after: undefined },
  ]);
  expect(definitionDiff(tool, { ...tool })).toEqual([]);
  expect(definitionDiff(undefined, tool).map(({ path }) => path)).toEqual([
    'annotations',
    'description',
    'inputSchema',
    'name',
  ]);
});

test.each([
  ['bidirectional', '\u202e', 'U+202E'],
  ['bidirectional', '\u2066', 'U+2066'],
  ['tag', '\u{e0041}', 'U+E0041'],
  ['variation-selector', '\u{e0100}', 'U+E0100'],
  ['variation-selector', '\ufe00', 'U+FE00'],
  ['invisible', '\u200b', 'U+200B'],
  ['invisible', '\ufeff', 'U+FEFF'],
  ['invisible', '\u3164', 'U+3164'],
  ['control', '\u001b', 'U+001B'],
])('%s characters are found in words, names and enums [F1]', (kind, hidden, character) => {
  const poisoned = {
    name: 'find',
    description: `a${hidden}b`,
    inputSchema: { properties: { [`q${hidden}`]: { enum: [hidden] } } },
    _meta: { x: [`${hidden}`] },
  };
  const found = hiddenCharacters(poisoned);
  expect(new Set(found.map((each) => `${each.kind} ${each.character}`))).toEqual(new Set([`${kind} ${character}`]));
  expect(found.map(({ path }) => path.replace(/\\u\{\w+\}/g, '?'))).toEqual([
    'description',
    'inputSchema.properties.q?',
    'inputSchema.properties.q?.enum[0]',
    '_meta.x[0]',
  ]);
});

test('emoji, line ends and other writing are not hidden; a row of selectors is, and so is a very long one', () => {
  const plain = 'Sends ❤️ 1️⃣ 👩‍💻 to Zürich,\n\tالعربية, 日本語.\r\n';
  expect(hiddenCharacters({ ...tool, description: plain })).toEqual([]);
  expect(hiddenCharacters({ ...tool, description: '❤️\ufe0f\ufe0e' })).toHaveLength(2);
  expect(hiddenCharacters({ ...tool, description: '\u200b'.repeat(100_000) })).toHaveLength(100);
});
