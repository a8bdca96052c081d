import fc from 'fast-check';
import { expect, test } from 'vitest';
import { publishName } from './names.ts';

test('a name stands behind its prefix, alone it stays as it is', () => {
  expect(publishName('github', 'create_issue')).toBe('github_create_issue');
  expect(publishName('', 'any thing at all')).toBe('any thing at all');
});

test('published names keep to the allowed form, and the same name always gets the same', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,62}$/),
      fc.string({ unit: 'binary', maxLength: 300 }),
      (prefix, name) => {
        const published = publishName(prefix, name);
        expect(published).toMatch(/^[A-Za-z0-9_.-]{1,128}$/);
        expect(published).toBe(publishName(prefix, name));
        expect(published.startsWith(`${prefix}_`)).toBe(true);
      },
    ),
  );
});

test('names that differ only where they are cut or replaced stay apart', () => {
  const long = 'x'.repeat(200);
  const names = [`${long}a`, `${long}b`, 'a b', 'a/b', 'a_b'];
  expect(new Set(names.map((name) => publishName('p', name))).size).toBe(names.length);
});
