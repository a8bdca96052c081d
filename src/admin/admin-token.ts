/** DATA_DIR/admin.token: whoever may read the data directory administers its gateway, from this machine only. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Secret } from '#core/secret.ts';

export const adminTokenFile = 'admin.token';

/** A new token at every start, mode 600, replaced in one step so that no reader sees half of it. */
export async function writeAdminToken(dataDir: string): Promise<Secret> {
  const token = randomBytes(32).toString('base64url');
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const part = join(dataDir, `${adminTokenFile}.${process.pid}`);
  await writeFile(part, `${token}\n`, { mode: 0o600 });
  await rename(part, join(dataDir, adminTokenFile));
  return new Secret(token);
}

/** In constant time, whatever the length. */
export function isAdminToken(presented: string, token: Secret): boolean {
  const digest = (value: string) => createHash('sha256').update(value).digest();
  return timingSafeEqual(digest(presented), digest(token.reveal()));
}

const marksOfProxies = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-real-ip', 'via'];

/** The peer's own address: forwarding headers are the mark of a proxy, and what a proxy sends is not from this machine. */
export function isLocalRequest(
  address: string | undefined,
  headers: Readonly<Record<string, string | string[] | undefined>>,
): boolean {
  if (marksOfProxies.some((name) => headers[name] !== undefined)) return false;
  return address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address ?? '');
}
