/** DATA_DIR/gateway.json: how a command finds the gateway that runs on a data directory. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';
import { adminTokenFile } from './admin-token.ts';

const gatewayFile = 'gateway.json';
const gatewaySchema = z.object({ url: z.url(), pid: z.int().positive() });

/** Written when listening, removed when closed. `url` must reach the listener from this machine. */
export async function writeGatewayFile(dataDir: string, url: string): Promise<void> {
  await writeFile(join(dataDir, gatewayFile), `${JSON.stringify({ url, pid: process.pid })}\n`, { mode: 0o600 });
}

export async function removeGatewayFile(dataDir: string): Promise<void> {
  const found = await readGatewayFile(dataDir);
  if (found?.pid === process.pid) await rm(join(dataDir, gatewayFile), { force: true });
}

/** Its loopback URL and admin token; undefined when none runs (a file left by a crash counts as none). */
export async function findRunning(
  dataDir: string,
): Promise<{ readonly url: string; readonly token: string; readonly pid: number } | undefined> {
  const found = await readGatewayFile(dataDir);
  if (!found || !isAlive(found.pid)) return undefined;
  const token = await readText(join(dataDir, adminTokenFile));
  return token === undefined ? undefined : { ...found, token: token.trim() };
}

async function readGatewayFile(dataDir: string): Promise<z.output<typeof gatewaySchema> | undefined> {
  const text = await readText(join(dataDir, gatewayFile));
  if (text === undefined) return undefined;
  try {
    return gatewaySchema.safeParse(JSON.parse(text)).data;
  } catch {
    // Half written by a start that was cut short: the same as none.
    return undefined;
  }
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw new GatehouseError('setting', {
      message: `${path} cannot be read: run as the user that started the gateway`,
      cause: error,
    });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}
