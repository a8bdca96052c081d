import { expect, test } from 'vitest';
import { findClaim, findScopes, findTexts } from './claims.ts';

const claims = { a: { b: { c: 'deep' } }, 'a.b.c': 'flat', 'https://x.example/roles': ['r'], one: 'two words' };

test('a claim of exactly the name wins over a path', () => {
  expect(findClaim(claims, 'a.b.c')).toBe('flat');
  expect(findClaim({ a: claims.a }, 'a.b.c')).toBe('deep');
  expect(findClaim(claims, 'https://x.example/roles')).toEqual(['r']);
});

test('paths end at what is not the token’s own', () => {
  for (const path of ['constructor', '__proto__', 'a.constructor.name', 'one.length', 'a.b.c.d', 'x', '']) {
    expect(findClaim(claims, path)).toBeUndefined();
  }
});

test('lists keep strings only; one string is a list of one, scopes are split', () => {
  expect(findTexts({ r: ['a', 1, null, '', 'b'] }, 'r')).toEqual(['a', 'b']);
  expect(findTexts(claims, 'one')).toEqual(['two words']);
  expect(findScopes(claims, 'one')).toEqual(['two', 'words']);
  expect(findScopes({ s: ['a b', 'c'] }, 's')).toEqual(['a', 'b', 'c']);
  expect(findTexts(claims, 'nothing')).toEqual([]);
});
