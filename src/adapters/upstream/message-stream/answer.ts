/**
 * The HTTP answer to one call, in miniature: JSON when nothing but the result comes, an event stream as soon as
 * something else comes first. A slow reader costs a bounded buffer and then its stream.
 */

import type { UpstreamSink } from '#adapters/upstream/upstream.ts';
import { GatehouseError } from '#core/error.ts';
import { onOneLine } from './line.ts';

export interface Accepted {
  readonly json: boolean;
  readonly stream: boolean;
}

/** An absent field accepts both, as MCP clients must. */
export function readAccept(value: string | undefined): Accepted {
  if (value === undefined || value.includes('*/*')) return { json: true, stream: true };
  const types = value.split(',').map((part) => part.split(';')[0]?.trim().toLowerCase());
  return { json: types.includes('application/json'), stream: types.includes('text/event-stream') };
}

const MAX_BUFFERED = 1024 * 1024;
const eventHead = Buffer.from('event: message\ndata: ');
const eventEnd = Buffer.from('\n\n');

export class Answer {
  readonly #sink: UpstreamSink;
  readonly #accepted: Accepted;
  #state: 'none' | 'streaming' | 'ended' = 'none';
  #full = false;
  #buffer: Buffer[] = [];
  #buffered = 0;
  #ending = false;
  onDone: (() => void) | undefined;
  /** Something was handed on: restarts the idle timeout. */
  onActivity: (() => void) | undefined;

  constructor(sink: UpstreamSink, accepted: Accepted) {
    this.#sink = sink;
    this.#accepted = accepted;
  }

  get started(): boolean {
    return this.#state !== 'none';
  }

  get canStream(): boolean {
    return this.#accepted.stream && this.#state !== 'ended' && !this.#ending;
  }

  openStream(): void {
    if (this.#state !== 'none') return;
    this.#state = 'streaming';
    this.#sink.onHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  }

  /** One message of several. False: this answer cannot carry it. */
  event(message: Buffer): boolean {
    if (!this.canStream) return false;
    this.openStream();
    this.#write(Buffer.concat([eventHead, onOneLine(message), eventEnd]));
    this.onActivity?.();
    return true;
  }

  /** The last message. */
  finish(message: Buffer, status = 200, headers: Readonly<Record<string, string>> = {}): void {
    if (this.#state === 'ended' || this.#ending) return;
    if (this.#state === 'streaming') this.event(message);
    else if (this.#accepted.json || status !== 200) {
      this.#state = 'streaming';
      this.#sink.onHead(status, { 'content-type': 'application/json', ...headers });
      this.#write(message);
    } else {
      this.#state = 'streaming';
      this.#sink.onHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache', ...headers });
      this.event(message);
    }
    this.end();
  }

  /** A status without a body. */
  bare(status: number): void {
    if (this.#state !== 'none') return;
    this.#state = 'streaming';
    this.#sink.onHead(status, {});
    this.end();
  }

  /** After what is buffered. */
  end(): void {
    this.#ending = true;
    if (this.#buffer.length === 0) this.#close(() => this.#sink.onEnd());
  }

  fail(error: GatehouseError): void {
    this.#close(() => this.#sink.onError(error));
  }

  /** The reader is gone: the sink hears nothing more. */
  detach(): void {
    this.#close(() => {});
  }

  resume(): void {
    this.#full = false;
    while (!this.#full) {
      const chunk = this.#buffer.shift();
      if (!chunk) break;
      this.#buffered -= chunk.length;
      this.#full = !this.#sink.onData(chunk);
      // The sink may have ended us meanwhile.
      if (this.#state === 'ended') return;
    }
    if (this.#ending && this.#buffer.length === 0) this.#close(() => this.#sink.onEnd());
  }

  #write(chunk: Buffer): void {
    if (this.#state === 'ended') return;
    if (!this.#full) {
      this.#full = !this.#sink.onData(chunk);
      return;
    }
    if (this.#buffered > MAX_BUFFERED) {
      this.fail(new GatehouseError('upstream_broken', { message: 'The stream is read too slowly' }));
      return;
    }
    this.#buffer.push(chunk);
    this.#buffered += chunk.length;
  }

  #close(last: () => void): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#buffer = [];
    this.#buffered = 0;
    last();
    this.onDone?.();
  }
}
