import { randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { kmsAdapters } from '#adapters/kms/index.ts';
import { kmsContract } from '#adapters/kms/kms.contract.ts';
import { systemClock } from '#core/clock.ts';
import { asOrgId } from '#core/ids.ts';
import { silentLog } from '#core/log.ts';
import { Secret } from '#core/secret.ts';

const roots = [
  'a root secret of thirty-two characters or more',
  'another root secret of at least 32 characters',
] as const;
const open = (root: string, previous: string[] = []) =>
  kmsAdapters.open(kmsAdapters.config.parse({ kind: 'environment', previous }), {
    rootSecret: new Secret(root),
    clock: systemClock,
    log: silentLog,
  });
const context = { org: asOrgId('org'), dekId: 'dek' };

describe('key management in the environment', () => {
  kmsContract(() => open(roots[0]));

  test('a former root secret still unwraps and no longer wraps', async () => {
    const dek = randomBytes(32);
    const wrapped = await (await open(roots[0])).wrap(dek, context);
    const kms = await open(roots[1], [roots[0]]);
    expect((await kms.unwrap(wrapped, context)).equals(dek)).toBe(true);
    expect((await kms.wrap(dek, context)).kekId).not.toBe(wrapped.kekId);
  });

  test('without the root secret nothing unwraps [I1]', async () => {
    const wrapped = await (await open(roots[0])).wrap(randomBytes(32), context);
    await expect((await open(roots[1])).unwrap(wrapped, context)).rejects.toThrow('No root secret is known');
  });

  test('a short former root secret is refused', () => {
    expect(() => kmsAdapters.config.parse({ kind: 'environment', previous: ['short'] })).toThrow('32 characters');
  });
});
