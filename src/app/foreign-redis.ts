/** Another gateway's Redis, by URL: what stands under its keys is read, nothing is written. */
import { createClient } from 'redis';
import { GatehouseError } from '#core/error.ts';
import type { Secret } from '#core/secret.ts';

const MAX_KEYS = 500_000;

/** Of keys `prefix…` those that hold a text; of others only that they are there. Throws `upstream_unreachable`; no URL is in it. */
export async function readForeignRedis(url: Secret, prefix: string): Promise<ReadonlyMap<string, unknown>> {
  const client = createClient({ url: url.reveal(), socket: { connectTimeout: 10_000, reconnectStrategy: false } });
  client.on('error', () => undefined);
  try {
    await client.connect();
    const found = new Map<string, unknown>();
    for await (const keys of client.scanIterator({ MATCH: `${prefix}*`, COUNT: 500 })) {
      for (const key of keys) found.set(key, (await client.type(key)) === 'string' ? await client.get(key) : undefined);
      if (found.size > MAX_KEYS) throw new Error(`more than ${MAX_KEYS} keys`);
    }
    return found;
  } catch (cause) {
    throw new GatehouseError('upstream_unreachable', {
      message: "The other gateway's Redis cannot be read: check its address and password",
      cause,
    });
  } finally {
    client.destroy();
  }
}
