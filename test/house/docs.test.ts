import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { identityAdapters } from '#adapters/identity/index.ts';
import { configPage, portalRoutes, portalRoutesFile, referenceFolder, renderPages } from '#scripts/docs.ts';
import { listIdentityKeys, listSection } from '#scripts/docs-file.ts';
import { row } from '#scripts/markdown.ts';

test('the generated reference equals the code (else: npm run docs)', async () => {
  for (const { file, text } of await renderPages()) {
    expect(readFileSync(join(referenceFolder(process.cwd()), file), 'utf8'), `docs/reference/${file}`).toBe(text);
  }
});

test('cells cannot break a table', () => {
  expect(row(['a|b', 'c\nd', undefined, 1])).toBe('| a\\|b | c d |  | 1 |');
});

test('a setting is shown with its place, aliases and secrecy', () => {
  const { text } = configPage([
    { name: 'A_KEY', aliases: ['B_KEY'], path: ['a', 'key'], default: '-', meaning: 'Opens A.', secret: true },
  ]);
  expect(text).toContain('| `A_KEY` | - | `a.key` | Opens A. Secret. | `B_KEY` |');
});

test.each(identityAdapters.list.map(({ kind }) => kind))(
  'every setting of the identity provider %s says what it means',
  (kind) => {
    expect(listIdentityKeys(kind).length).toBeGreaterThan(0);
    expect(listIdentityKeys(kind).filter(({ meaning }) => meaning === '')).toEqual([]);
  },
);

test('every setting of sign-in says what it means, and what it is unless set', () => {
  const keys = listSection('oauth');
  expect(keys.filter(({ meaning }) => meaning === '')).toEqual([]);
  expect(keys.find(({ path }) => path.join('.') === 'oauth.registration.perAddressPerHour')?.default).toBe('5000');
});

test("the portal's table of routes equals the contract (else: npm run docs)", () => {
  expect(readFileSync(portalRoutesFile(process.cwd()), 'utf8')).toBe(portalRoutes());
});
