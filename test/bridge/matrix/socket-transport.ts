/** A WebSocket that carries a key, as a transport of either SDK: their own takes no headers. One frame is one message. */
import { WebSocket } from 'ws';

export class SocketTransport {
  readonly #socket: WebSocket;
  onmessage: ((message: never) => void) | undefined;
  onclose: (() => void) | undefined;
  onerror: ((error: Error) => void) | undefined;

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#socket = new WebSocket(url.replace(/^http/, 'ws'), 'mcp', { headers });
  }

  start(): Promise<void> {
    const socket = this.#socket;
    socket.on('message', (data) => this.onmessage?.(JSON.parse(String(data)) as never));
    socket.on('close', () => this.onclose?.());
    return new Promise((resolve, reject) => {
      socket.on('open', () => resolve());
      socket.on('error', (error) => {
        reject(error);
        this.onerror?.(error);
      });
    });
  }

  send(message: object): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.send(JSON.stringify(message), (error) => (error ? reject(error) : resolve()));
    });
  }

  async close(): Promise<void> {
    this.#socket.close();
  }
}
