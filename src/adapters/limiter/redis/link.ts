/** The connection to Redis as the limiter needs it: an answer within its time, or none, and after that none at once. */
import { createClient } from 'redis';
import type { Log } from '#core/log.ts';
import { script, scriptDigest } from './script.ts';

export interface Link {
  readonly away: boolean;
  /** Runs the script with its keys and arguments. Never rejects; undefined: Redis gave no answer that is one. */
  ask(words: readonly string[]): Promise<Reply | undefined>;
  /** Keys of this shape, as far as a short look shows. */
  count(pattern: string): Promise<number | undefined>;
  close(): Promise<void>;
}

export type Reply = readonly [number, number, number];

export interface LinkOptions {
  readonly url: string;
  readonly commandMs: number;
  readonly retryMs: number;
  /** A key that is written to see whether Redis takes points. */
  readonly probe: string;
  readonly log: Log;
}

const MAX_SCANS = 200;

export async function openLink({ url, commandMs, retryMs, probe, log }: LinkOptions): Promise<Link> {
  const client = createClient({
    url,
    RESP: 2,
    // What can't be sent now is counted elsewhere, not kept for later.
    disableOfflineQueue: true,
    pingInterval: 5000,
    socket: { connectTimeout: Math.max(commandMs, 1000), socketTimeout: 15_000, reconnectStrategy: retryMs },
  });
  const waiting = new Set<() => void>();
  let away = true;
  let closed = false;
  let timer: NodeJS.Timeout | undefined;
  let looking: Promise<void> | undefined;

  function leave(error: unknown): void {
    if (closed) return;
    timer ??= setInterval(look, retryMs).unref();
    if (away) return;
    away = true;
    log.warn({ err: error }, 'Redis does not answer: this replica counts limits by itself until it does');
    for (const give of [...waiting]) give();
  }

  function comeBack(): void {
    if (!away || closed) return;
    away = false;
    clearInterval(timer);
    timer = undefined;
    log.info({}, 'Redis counts limits, for all replicas together');
  }

  /** One at a time: what Redis holds up is not asked again and again. */
  function look(): Promise<void> {
    looking ??= tryOut().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  async function tryOut(): Promise<void> {
    if (!client.isReady) return;
    // Whatever is said instead, it is tried again.
    const raw = await run(['1', probe, '1', '1000000', '1000', '0']).catch(() => undefined);
    if (parseReply(raw)) comeBack();
  }

  async function run(words: readonly string[]): Promise<unknown> {
    try {
      return await client.sendCommand(['EVALSHA', scriptDigest, ...words]);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return client.sendCommand(['EVAL', script, ...words]);
    }
  }

  function ask(words: readonly string[]): Promise<Reply | undefined> {
    return new Promise((resolve) => {
      const settle = (reply: Reply | undefined) => {
        clearTimeout(limit);
        waiting.delete(giveUp);
        resolve(reply);
      };
      const giveUp = () => settle(undefined);
      const fail = (error: unknown) => {
        leave(error);
        giveUp();
      };
      const limit = setTimeout(() => fail(new Error(`no answer within ${commandMs} ms`)), commandMs);
      waiting.add(giveUp);
      run(words).then((raw) => {
        const reply = parseReply(raw);
        if (reply) settle(reply);
        else fail(new Error('an answer that is none of the script'));
      }, fail);
    });
  }

  client.on('error', leave);
  client.on('ready', look);
  // Only as long as a call would wait: the gateway starts without Redis, too.
  const connected = client.connect().then(look, leave);
  await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, Math.max(commandMs, 1000)).unref())]);
  if (away) {
    log.warn({}, 'Redis does not answer: this replica counts limits by itself until it does');
    timer ??= setInterval(look, retryMs).unref();
  }

  return {
    get away() {
      return away;
    },
    ask,
    async count(pattern) {
      try {
        return await countKeys((cursor) => client.sendCommand(['SCAN', cursor, 'MATCH', pattern, 'COUNT', '1000']));
      } catch {
        return undefined;
      }
    },
    async close() {
      closed = true;
      clearInterval(timer);
      for (const give of [...waiting]) give();
      client.destroy();
    },
  };
}

function parseReply(raw: unknown): Reply | undefined {
  if (!Array.isArray(raw) || raw.length !== 3) return undefined;
  const [allowed, left, ms] = raw.map(Number);
  if (allowed === undefined || left === undefined || ms === undefined) return undefined;
  return [allowed, left, ms].every((n) => Number.isFinite(n) && n >= 0) ? [allowed, left, ms] : undefined;
}

async function countKeys(scan: (cursor: string) => Promise<unknown>): Promise<number> {
  let cursor = '0';
  let count = 0;
  for (let i = 0; i < MAX_SCANS; i++) {
    const reply = await scan(cursor);
    const [next, keys]: unknown[] = Array.isArray(reply) ? reply : [];
    count += Array.isArray(keys) ? keys.length : 0;
    cursor = String(next ?? '0');
    if (cursor === '0') break;
  }
  return count;
}
