/** One message on its way to the server. The status says whether the server took it; the body says nothing. */
import type { Dispatcher, Pool } from 'undici';
import { type Delivery, Refusal } from '#adapters/upstream/message-stream/wire.ts';
import { asUpstreamError } from '#adapters/upstream/target.ts';
import type { GatehouseError } from '#core/error.ts';

/** Posts of all sessions with one server. */
export interface PostRoom {
  readonly pool: Pool;
  used: number;
  readonly limit: number;
}

export interface PostParts {
  readonly room: PostRoom;
  readonly path: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  readonly delivery: Delivery | undefined;
  /** Until the server says that it took the message. */
  readonly timeoutMs: number;
  readonly onRefused: (refusal: Refusal) => void;
  readonly onDone: () => void;
}

const MAX_BODY_BYTES = 64 * 1024;

export class Post implements Dispatcher.DispatchHandler {
  readonly #parts: PostParts;
  #controller: Dispatcher.DispatchController | undefined;
  #aborted = false;
  #sent = false;
  #settled = false;
  #done = false;
  #bytes = 0;

  constructor(parts: PostParts) {
    this.#parts = parts;
  }

  start(): void {
    const { room, path, headers, body, timeoutMs } = this.#parts;
    room.used++;
    const timeouts = { headersTimeout: timeoutMs, bodyTimeout: timeoutMs };
    room.pool.dispatch({ path, method: 'POST', headers, body, ...timeouts }, this);
  }

  /** The stream that an answer would come on is gone. */
  abort(error: GatehouseError): void {
    this.#aborted = true;
    if (!this.#settled) {
      this.#settled = true;
      this.#parts.delivery?.onFailed(error);
    }
    if (!this.#done) this.#controller?.abort(new Error('the session is over'));
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    const { delivery } = this.#parts;
    if (this.#aborted || (delivery && !delivery.wanted)) {
      controller.abort(new Error('the caller is gone'));
      return;
    }
    this.#sent = true;
    delivery?.onSent();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200 || this.#settled) return;
    this.#settled = true;
    const { delivery, onRefused } = this.#parts;
    if (status < 300) {
      delivery?.onTaken?.();
      return;
    }
    const refusal = refusalOf(status, headers);
    delivery?.onFailed(refusal);
    onRefused(refusal);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#bytes > MAX_BODY_BYTES) controller.abort(new Error('nobody reads this'));
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.#settled) {
      this.#settled = true;
      this.#parts.delivery?.onFailed(asUpstreamError(error, this.#sent));
    }
    this.#finish();
  }

  #finish(): void {
    if (this.#done) return;
    this.#done = true;
    this.#parts.room.used--;
    this.#parts.onDone();
  }
}

export function refusalOf(status: number, headers: Record<string, string | string[] | undefined>): Refusal {
  const retryAfter = headers['retry-after'];
  return new Refusal(status, typeof retryAfter === 'string' ? retryAfter : undefined);
}
