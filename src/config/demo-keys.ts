/** The demo's own root secret: made once, kept in DATA_DIR/keys.json (mode 600), used again by every later start. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { Secret } from '#core/secret.ts';
import type { Config } from './load.ts';

const keysSchema = z.object({ encryptionKey: z.string().min(32) });

/** ENCRYPTION_KEY, or in the demo the kept one. Throws GatehouseError `setting` where the kept one is unreadable. */
export async function openEncryptionKey({
  secrets,
  dataDir,
  demo,
}: Pick<Config, 'secrets' | 'dataDir' | 'demo'>): Promise<Secret> {
  if (secrets.encryptionKey) return secrets.encryptionKey;
  if (!demo) throw new GatehouseError('setting', { message: 'ENCRYPTION_KEY environment variable is required' });
  const path = join(dataDir, 'keys.json');
  return (await findKey(path)) ?? (await makeKey(dataDir, path));
}

async function findKey(path: string): Promise<Secret | undefined> {
  let source: string;
  try {
    source = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new GatehouseError('setting', { message: `${path} cannot be read: correct its owner or mode`, cause });
  }
  try {
    return new Secret(keysSchema.parse(JSON.parse(source)).encryptionKey);
  } catch {
    // The parser's own message would quote the file.
    throw new GatehouseError('setting', {
      message: `${path} is damaged: restore it, or remove the data directory to start anew`,
    });
  }
}

async function makeKey(dataDir: string, path: string): Promise<Secret> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const encryptionKey = randomBytes(32).toString('base64url');
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify({ encryptionKey })}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  return new Secret(encryptionKey);
}
