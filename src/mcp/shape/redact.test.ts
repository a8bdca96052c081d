import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type JsonObject, parseJson } from '#core/json.ts';
import { parseRedactPath, redactResult } from './redact.ts';

const text = (value: string) => ({ type: 'text', text: value });

test('a path takes members out of the structured content, and out of the text that repeats it', () => {
  const structuredContent = { user: { name: 'Ada', ssn: '078-05-1120' }, n: parseJson('1.50') };
  const result = {
    resultType: 'complete',
    content: [text(JSON.stringify(structuredContent)), text('Ada has 078-05-1120.'), { type: 'image', data: 'aa' }],
    structuredContent,
  };
  expect(JSON.parse(JSON.stringify(redactResult(result, ['structuredContent.user.ssn'])))).toEqual({
    resultType: 'complete',
    content: [text('{"user":{"name":"Ada"},"n":1.50}'), text('Ada has [redacted].'), { type: 'image', data: 'aa' }],
    structuredContent: { user: { name: 'Ada' }, n: 1.5 },
  });
});

test('paths with items, any name and any depth', () => {
  const list: readonly JsonObject[] = [{ password: 1, keep: 1 }, { deep: [{ password: { a: 1 } }] }];
  const result = {
    content: [text('a'), { type: 'image', data: 'aaaa', mimeType: 'image/png' }],
    structuredContent: { list, 'a.b': 1, type: 'x' },
    _meta: { password: 'x' },
  };
  expect(redactResult(result, ['**.password', 'structuredContent["a.b"]', 'content[1].data'])).toEqual({
    content: [text('a'), { type: 'image', data: '', mimeType: 'image/png' }],
    structuredContent: { list: [{ keep: 1 }, { deep: [{}] }], type: 'x' },
    _meta: {},
  });
  expect(redactResult(result, ['content[*].text', 'structuredContent.list[0]', 'structuredContent.*.type'])).toEqual({
    ...result,
    content: [text('[redacted]'), result.content[1]],
    structuredContent: { ...result.structuredContent, list: [list[1]] },
  });
  expect(redactResult(result, ['content[0]', 'structuredContent'])).toEqual({
    content: [result.content[1]],
    _meta: result._meta,
  });
});

test('text of an embedded resource that is JSON is read too', () => {
  const resource = { uri: 'x:y', text: '{\n  "password": "p"\n}' };
  expect(redactResult({ content: [{ type: 'resource', resource }] }, ['**.password'])).toEqual({
    content: [{ type: 'resource', resource: { uri: 'x:y', text: '{}' } }],
  });
});

test.each(['', '.a', 'a.', 'a..b', 'a[', 'a[x]', 'a.[0]', '**', 'a.**', 'a b.[*]', 'a***'])(
  '"%s" is no path, and a result that it should clean is not shown',
  (path) => {
    expect(parseRedactPath(path)).toBeUndefined();
    expect(JSON.stringify(redactResult({ content: [text('secret')] }, [path]))).not.toContain('secret');
  },
);

test('whatever a result holds, no value under a redacted name is left in it or in its text', () => {
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom<unknown>(1, 'x', null, true),
      fc.dictionary(fc.constantFrom('a', 'b', 'password'), tie('value'), { maxKeys: 3 }),
      fc.array(tie('value'), { maxLength: 3 }),
    ),
  }));
  fc.assert(
    fc.property(value, (inner) => {
      const structuredContent = parseJson(JSON.stringify({ inner, password: 'TOP-SECRET' }));
      const result = {
        content: [text(JSON.stringify(structuredContent, null, 2)), text('is TOP-SECRET')],
        structuredContent,
      };
      const left = JSON.stringify(redactResult(result, ['**.password']));
      expect(left).not.toContain('password');
      expect(left).not.toContain('TOP-SECRET');
    }),
  );
});
