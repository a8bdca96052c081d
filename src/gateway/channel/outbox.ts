/** What waits to leave by a channel, and what its answers hold in memory until they are whole. */
import type { Outlet } from './virtual-exchange.ts';

/** Above this nothing more is taken from upstream until the client has read. */
const FULL_BYTES = 262_144;
/** SECURITY 3.3: an answer of one piece has 10 MiB at most; all that are under way on one channel share three times that. */
const MAX_ANSWER_BYTES = 10_485_760;
const MAX_HELD_BYTES = 3 * MAX_ANSWER_BYTES;

/** `write`: calls back once the text has left. */
export class Outbox implements Outlet {
  readonly #write: (text: string, sent: () => void) => void;
  #pending = 0;
  #held = 0;
  #waiting: (() => void)[] = [];

  constructor(write: (text: string, sent: () => void) => void) {
    this.#write = write;
  }

  get isFull(): boolean {
    return this.#pending > FULL_BYTES;
  }

  send(text: string): boolean {
    this.#pending += text.length;
    this.#write(text, () => {
      this.#pending -= text.length;
      if (this.isFull) return;
      const waiting = this.#waiting;
      this.#waiting = [];
      for (const listener of waiting) listener();
    });
    return !this.isFull;
  }

  onDrain(listener: () => void): void {
    this.#waiting.push(listener);
  }

  hold(bytes: number): boolean {
    if (this.#held + this.#pending + bytes > MAX_HELD_BYTES) return false;
    this.#held += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#held -= bytes;
  }
}
