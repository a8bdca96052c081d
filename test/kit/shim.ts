/** A forwarder that adds one header and changes nothing else: for clients that cannot send a token. */
import { createServer, request } from 'node:http';
import { listenOnLoopback } from './listen.ts';

export interface Shim {
  /** Of the same path as the target. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Forwards to `target` (an http URL whose path is kept), streaming both ways. `Host` and `Origin` go through as the client
 * sent them; only the shim's own address in them becomes the target's, as a direct client would have sent it.
 */
export async function startShim(target: string, headers: Readonly<Record<string, string>>): Promise<Shim> {
  const { hostname, port, pathname, host } = new URL(target);
  const server = createServer((req, res) => {
    const own = `127.0.0.1:${req.socket.localPort}`;
    const direct = new Map([
      [own, host],
      [`http://${own}`, `http://${host}`],
    ]);
    const outgoing = req.rawHeaders.map((field, index) => (index % 2 === 1 ? (direct.get(field) ?? field) : field));
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
  return { url: `http://127.0.0.1:${listening.port}${pathname}`, close: listening.close };
}
