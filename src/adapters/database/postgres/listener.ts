/** LISTEN on a connection of its own, which comes back by itself; a heartbeat finds the one that died in silence. */
import pg from 'pg';
import type { Log } from '#core/log.ts';

export interface ListenerSettings {
  readonly client: pg.ClientConfig;
  readonly channel: string;
  readonly onPayload: (payload: string) => void;
  readonly onResumed: () => void;
  readonly log: Log;
}

export interface Listener {
  readonly close: () => Promise<void>;
}

const heartbeatMs = 5_000;
const firstWaitMs = 50;
const longestWaitMs = 2_000;

/** Rejects when the first connection fails; later failures are mended in the background. */
export async function openListener(settings: ListenerSettings): Promise<Listener> {
  const listener = new ReconnectingListener(settings);
  await listener.open();
  return { close: () => listener.close() };
}

class ReconnectingListener {
  readonly #settings: ListenerSettings;
  #client: pg.Client | undefined;
  #closed = false;
  #retry: NodeJS.Timeout | undefined;
  readonly #heartbeat: NodeJS.Timeout;

  constructor(settings: ListenerSettings) {
    this.#settings = settings;
    this.#heartbeat = setInterval(() => this.#beat(), heartbeatMs).unref();
  }

  async open(): Promise<void> {
    const { client: config, channel, onPayload } = this.#settings;
    const client = new pg.Client(config);
    const lost = () => this.#lost(client);
    client.on('error', lost);
    client.on('end', lost);
    client.on('notification', (message) => onPayload(message.payload ?? ''));
    try {
      await client.connect();
      await client.query(`listen ${client.escapeIdentifier(channel)}`);
    } catch (error) {
      client.end().catch(() => undefined);
      throw error;
    }
    if (this.#closed) await client.end();
    else this.#client = client;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#heartbeat);
    clearTimeout(this.#retry);
    const client = this.#client;
    this.#client = undefined;
    await client?.end().catch(() => undefined);
  }

  #beat(): void {
    const client = this.#client;
    // Destroyed, not ended: what fell silent doesn't say goodbye.
    client?.query('select 1').catch(() => client.connection.stream.destroy());
  }

  #lost(client: pg.Client): void {
    if (this.#closed || this.#client !== client) return;
    this.#client = undefined;
    this.#settings.log.warn({}, 'the listening database connection broke');
    this.#reopen(firstWaitMs);
  }

  #reopen(waitMs: number): void {
    this.#retry = setTimeout(async () => {
      try {
        await this.open();
        if (!this.#closed) this.#settings.onResumed();
      } catch (error) {
        this.#settings.log.debug({ err: error }, 'the listening connection cannot be reopened yet');
        if (!this.#closed) this.#reopen(Math.min(waitMs * 2, longestWaitMs));
      }
    }, waitMs).unref();
  }
}
