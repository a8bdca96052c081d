/**
 * A way for a whole process to reach emulators under their real names: a forward proxy, as companies have them, whose
 * tunnels end at a TLS front with a certificate for these names. The process gets `env`; nothing of it is a test setting.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { type Listening, listenOnLoopback } from '#kit/listen.ts';
import { createSelfSigned } from './self-signed.ts';

export interface RealNames {
  /** HTTPS_PROXY and NODE_EXTRA_CA_CERTS. */
  readonly env: Readonly<Record<string, string>>;
  /** What the proxy was asked for, e.g. `CONNECT login.microsoftonline.com:443`. */
  readonly asked: readonly string[];
  close(): Promise<void>;
}

/** `hosts`: real host name → origin of the emulator. */
export async function openRealNames(hosts: Readonly<Record<string, string>>): Promise<RealNames> {
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
    return socket;
  };
  const splice = (one: Socket, other: Socket) => void keep(one).pipe(keep(other)).pipe(one);
  const certificate = createSelfSigned(Object.keys(hosts));
  const fronts = new Map<string, Listening>();
  for (const [host, origin] of Object.entries(hosts)) {
    const front = createTlsServer(certificate, (socket) =>
      splice(socket, connect(Number(new URL(origin).port), '127.0.0.1')),
    );
    front.on('tlsClientError', () => undefined);
    fronts.set(host, await listenOnLoopback(front));
  }
  const asked: string[] = [];
  const proxy = createServer((_request, response) => response.writeHead(403).end());
  proxy.on('connect', (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`);
    const front = fronts.get(request.url?.split(':')[0] ?? '');
    if (!front) return void socket.end('HTTP/1.1 403 Forbidden\r\n\r\n');
    const onward = connect(front.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    splice(socket, onward);
  });
  const listening = await listenOnLoopback(proxy);
  const folder = mkdtempSync(join(tmpdir(), 'gatehouse-ca-'));
  const file = join(folder, 'ca.pem');
  writeFileSync(file, certificate.cert);
  return {
    asked,
    env: {
      HTTPS_PROXY: `http://127.0.0.1:${listening.port}`,
      NO_PROXY: 'localhost,127.0.0.1',
      NODE_EXTRA_CA_CERTS: file,
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await Promise.all([listening, ...fronts.values()].map((one) => one.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
