/** A forwarder that adds headers and changes nothing else: for clients that cannot send a token, and to spread requests. */
import { createServer, request } from 'node:http';
import { listenOnLoopback } from './listen.ts';

export interface Shim {
  /** Of the same path as the targets. */
  readonly url: string;
  /** Requests that each target got, in the order of the targets. */
  readonly served: readonly number[];
  close(): Promise<void>;
}

/**
 * Forwards to the targets in turn (http URLs that differ in their port only), streaming both ways. `Host` and `Origin` go
 * through as the client sent them; only the shim's own address in them becomes the target's, as a direct client would have
 * sent it.
 */
export async function startShim(
  target: string | readonly string[],
  headers: Readonly<Record<string, string>>,
): Promise<Shim> {
  const targets = (typeof target === 'string' ? [target] : target).map((url) => new URL(url));
  const served = targets.map(() => 0);
  let turn = 0;
  const server = createServer((req, res) => {
    const index = turn++ % targets.length;
    const { host, hostname, port } = targets[index] ?? new URL('http://127.0.0.1');
    served[index] = (served[index] ?? 0) + 1;
    const own = `127.0.0.1:${req.socket.localPort}`;
    const direct = new Map([
      [own, host],
      [`http://${own}`, `http://${host}`],
    ]);
    const outgoing = req.rawHeaders.map((field, at) => (at % 2 === 1 ? (direct.get(field) ?? field) : field));
    for (const [name, value] of Object.entries(headers)) outgoing.push(name, value);
    const forward = request(
      { hostname, port, path: req.url, method: req.method, headers: outgoing, agent: false },
      (answer) => {
        res.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        res.flushHeaders();
        answer.pipe(res);
        answer.on('error', () => res.destroy());
      },
    );
    forward.on('error', () => (res.headersSent ? res.destroy() : res.writeHead(502).end()));
    res.on('close', () => forward.destroy());
    req.pipe(forward);
  });
  const listening = await listenOnLoopback(server);
  return { url: `http://127.0.0.1:${listening.port}${targets[0]?.pathname}`, served, close: listening.close };
}
