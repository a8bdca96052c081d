/** What every key-management adapter must do. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { asOrgId } from '#core/ids.ts';
import type { Kms } from './kms.ts';

export function kmsContract(open: () => Promise<Kms>): void {
  const context = { org: asOrgId('0197a000-0000-7000-8000-000000000001'), dekId: 'dek-1' };

  test('a wrapped key unwraps to the same bytes and names the current key-encryption key', async () => {
    const kms = await open();
    const dek = randomBytes(32);
    const wrapped = await kms.wrap(dek, context);
    expect(wrapped.kekId).toBe(kms.kekId);
    expect(Buffer.from(wrapped.wrapped, 'base64url').includes(dek)).toBe(false);
    expect((await kms.unwrap(wrapped, context)).equals(dek)).toBe(true);
    await kms.close();
  });

  test('a key wrapped for one organization or row does not unwrap for another [I2]', async () => {
    const kms = await open();
    const wrapped = await kms.wrap(randomBytes(32), context);
    await expect(kms.unwrap(wrapped, { ...context, org: asOrgId('other') })).rejects.toThrow();
    await expect(kms.unwrap(wrapped, { ...context, dekId: 'dek-2' })).rejects.toThrow();
    await kms.close();
  });

  test('a changed wrapped key or an unknown key-encryption key is refused', async () => {
    const kms = await open();
    const wrapped = await kms.wrap(randomBytes(32), context);
    const bytes = Buffer.from(wrapped.wrapped, 'base64url');
    bytes[20] = (bytes[20] ?? 0) ^ 1;
    await expect(kms.unwrap({ ...wrapped, wrapped: bytes.toString('base64url') }, context)).rejects.toThrow();
    await expect(kms.unwrap({ ...wrapped, kekId: 'nobody' }, context)).rejects.toThrow();
    await kms.close();
  });
}
