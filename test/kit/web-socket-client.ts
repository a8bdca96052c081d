/** A WebSocket client for black-box tests, and what an upgrade that was refused says in HTTP. */
import type { IncomingHttpHeaders } from 'node:http';
import { WebSocket } from 'ws';

export interface SocketOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly protocols?: readonly string[];
}

export interface SocketClient {
  readonly socket: WebSocket;
  /** Anything but a string goes as JSON. */
  send(message: unknown): void;
  /** The next message, parsed. Throws after 5 s, and once the socket is closed. */
  next(): Promise<Record<string, unknown>>;
  /** Messages that nobody asked for yet. */
  readonly waiting: readonly Record<string, unknown>[];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  close(): Promise<void>;
}

export interface RefusedUpgrade {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

const asSocketUrl = (url: string) => url.replace(/^http/, 'ws');

/** Throws where the upgrade is refused. */
export async function openSocket(url: string, { headers = {}, protocols = ['mcp'] }: SocketOptions = {}) {
  const socket = new WebSocket(asSocketUrl(url), [...protocols], { headers });
  const client = clientOf(socket);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', () => resolve());
    socket.once('error', reject);
  });
  return client;
}

/** Throws where the upgrade is not refused. */
export function refusedUpgrade(url: string, { headers = {}, protocols = ['mcp'] }: SocketOptions = {}) {
  return new Promise<RefusedUpgrade>((resolve, reject) => {
    const socket = new WebSocket(asSocketUrl(url), [...protocols], { headers });
    socket.once('open', () => {
      socket.terminate();
      reject(new Error('The upgrade was not refused'));
    });
    socket.on('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
  });
}

function clientOf(socket: WebSocket): SocketClient {
  const waiting: Record<string, unknown>[] = [];
  let wake: () => void = () => {};
  socket.on('message', (data) => {
    waiting.push(JSON.parse(String(data)));
    wake();
  });
  const closed = new Promise<{ code: number; reason: string }>((resolve) =>
    socket.once('close', (code, reason) => {
      resolve({ code, reason: String(reason) });
      wake();
    }),
  );
  return {
    socket,
    waiting,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    async next() {
      if (waiting.length === 0) {
        await new Promise<void>((resolve, reject) => {
          const timer = setTimeout(() => reject(new Error('No message within 5 s')), 5000);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      const message = waiting.shift();
      if (!message) throw new Error('The socket was closed');
      return message;
    },
    async close() {
      socket.close();
      await closed;
    },
  };
}
