import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { openSealer } from './sealer.ts';

test('what was sealed opens in its place, with its key, unchanged, and nowhere else', () => {
  const sealer = openSealer(randomBytes(32));
  const sealed = sealer.seal('keys:k1', 'secret');
  expect(sealer.open('keys:k1', sealed)).toBe('secret');
  expect(sealer.open('keys:k2', sealed)).toBeUndefined();
  expect(openSealer(randomBytes(32)).open('keys:k1', sealed)).toBeUndefined();
  expect(sealer.open('keys:k1', `A${sealed.slice(1)}`)).toBe(sealed.startsWith('A') ? 'secret' : undefined);
  for (const text of ['', 'x', sealed.slice(0, 20)]) expect(sealer.open('keys:k1', text)).toBeUndefined();
});
