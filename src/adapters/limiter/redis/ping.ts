/** Whether a Redis or Valkey lets us in and answers: for whoever looks before a gateway starts. */
import { createClient } from 'redis';

export interface Pinged {
  /** Round trip of one PING. */
  readonly ms: number;
  /** undefined: it does not say. */
  readonly version: string | undefined;
}

/** Throws an Error that says what is wrong, never the URL: it may have a password in it. */
export async function pingRedis(url: string, patienceMs: number): Promise<Pinged> {
  const client = createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    socket: { connectTimeout: patienceMs, reconnectStrategy: false },
  });
  // What goes wrong is what its calls reject with.
  client.on('error', () => undefined);
  const tooLate = AbortSignal.timeout(patienceMs);
  const late = new Promise<never>((_, reject) => {
    tooLate.addEventListener('abort', () => reject(new Error('it does not answer')));
  });
  try {
    await Promise.race([client.connect(), late]);
    const begun = performance.now();
    await Promise.race([client.ping(), late]);
    const ms = performance.now() - begun;
    const info = await Promise.race([client.info('server').catch(() => ''), late]);
    return { ms, version: /^(?:valkey|redis)_version:(\S+)/m.exec(info)?.[1] };
  } catch (thrown) {
    throw new Error(said(thrown));
  } finally {
    client.destroy();
  }
}

function said(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : '';
  if (/WRONGPASS|invalid (?:username|password)/i.test(text)) return 'it refuses the user name or password of REDIS_URL';
  if (/NOAUTH/i.test(text)) return 'it wants a password: put it into REDIS_URL';
  const code = thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : undefined;
  return code ?? (text === '' ? 'it does not answer' : text);
}
