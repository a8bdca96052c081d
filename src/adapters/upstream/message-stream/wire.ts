/**
 * What the adapters share whose servers speak in single messages (stdio, HTTP+SSE): calls that wait for their answer on
 * one stream, and which client hears what the server says unasked. A wire is what carries the messages.
 */

/** What becomes of one message on its way out. */
export interface Delivery {
  /** False: it must not leave any more. */
  readonly wanted: boolean;
  /** Its first byte may have reached the server. */
  onSent(): void;
  /** The server has it. Not every wire can tell. */
  onTaken?(): void;
  /** Perhaps after `onSent`. A GatehouseError or a Refusal. */
  onFailed(error: Error): void;
}

export interface Wire {
  /** Bytes that wait to be taken by the server. */
  readonly pendingBytes: number;
  /** There is nothing that it could lead to. */
  readonly unopened: boolean;
  write(message: Buffer, delivery?: Delivery): void;
  stop(): Promise<unknown>;
  kill(reason: string): void;
}

/** The HTTP status with which a server refused a message, or the stream that messages come on. */
export class Refusal extends Error {
  readonly status: number;
  readonly retryAfter: string | undefined;

  constructor(status: number, retryAfter?: string) {
    super(`status ${status}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}
