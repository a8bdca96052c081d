/** Stands before the gateway and writes down what each client asks: bytes pass through unchanged. */
import { createServer, request as forward, type IncomingMessage } from 'node:http';
import { listenOnLoopback } from '#kit/listen.ts';

export interface Exchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
  readonly status: number;
}

export interface Relay {
  /** No trailing slash. */
  readonly url: string;
  /** Answered requests, in order. */
  readonly exchanges: readonly Exchange[];
  /** Where requests go from now on. */
  forwardTo(url: string): void;
  clear(): void;
  close(): Promise<void>;
}

export async function startRelay(): Promise<Relay> {
  const exchanges: Exchange[] = [];
  let target = '';
  const server = createServer((req, res) => {
    const parts: Buffer[] = [];
    const outgoing = forward(`${target}${req.url}`, { method: req.method ?? 'GET', headers: req.headers }, (answer) => {
      const { pathname, searchParams } = new URL(req.url ?? '/', target);
      exchanges.push({
        method: req.method ?? '',
        path: pathname,
        query: searchParams,
        headers: req.headers,
        body: Buffer.concat(parts).toString(),
        status: answer.statusCode ?? 0,
      });
      res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
      answer.pipe(res);
      answer.on('error', () => res.destroy());
    });
    outgoing.on('error', () => res.destroy());
    res.on('close', () => outgoing.destroy());
    req.on('data', (part: Buffer) => parts.push(part));
    req.pipe(outgoing);
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    url: `http://127.0.0.1:${port}`,
    exchanges,
    forwardTo(url) {
      target = url;
    },
    clear() {
      exchanges.length = 0;
    },
    close,
  };
}
