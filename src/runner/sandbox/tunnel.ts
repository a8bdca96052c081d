/**
 * Connections to a port inside a sandbox. The program's side dials out to our socket (forwarder.ts), never we into a
 * file of the sandbox: a link that it puts there leads nowhere.
 */
import { createServer, type Server, type Socket } from 'node:net';

export interface Tunnel {
  /** Rejects when nothing listens there, or when there is no answer within `timeoutMs`. */
  connect(port: number, timeoutMs: number): Promise<Socket>;
  close(): void;
}

const HEAD_BYTES = 64;
/** Of a connection that says nothing. */
const SILENT_MS = 5000;
const MAX_CONNECTIONS = 1100;

interface Waiting {
  resolve(socket: Socket): void;
  reject(error: Error): void;
}

/** `path`: where to listen, a Unix socket. */
export function openTunnel(path: string): Tunnel {
  const waiting = new Map<string, Waiting>();
  const sockets = new Set<Socket>();
  const pending: string[] = [];
  let control: Socket | undefined;
  let count = 0;

  function serveControl(socket: Socket): void {
    control = socket;
    for (const line of pending.splice(0)) socket.write(line);
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = (lines.pop() ?? '').slice(0, HEAD_BYTES);
      for (const line of lines) {
        const [verb, id = ''] = line.split(' ');
        if (verb === 'refused') waiting.get(id)?.reject(new Error('nothing listens there'));
      }
    });
  }

  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.setTimeout(SILENT_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    readHead(socket, (head) => {
      socket.setTimeout(0);
      if (head === 'control' && control === undefined) return serveControl(socket);
      const asked = waiting.get(head);
      if (asked) asked.resolve(socket);
      else socket.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.on('error', () => undefined);
  server.listen(path).unref();

  return {
    connect(port, timeoutMs) {
      const id = `c${++count}`;
      return new Promise<Socket>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('no answer from the sandbox')), timeoutMs);
        const line = `${port} ${id}\n`;
        waiting.set(id, {
          resolve(socket) {
            clearTimeout(timer);
            resolve(socket);
          },
          reject(error) {
            clearTimeout(timer);
            reject(error);
          },
        });
        if (control) control.write(line);
        else pending.push(line);
      }).finally(() => waiting.delete(id));
    },
    close() {
      for (const { reject } of waiting.values()) reject(new Error('the program has ended'));
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** The first line; what follows it stays in the socket. */
function readHead(socket: Socket, onHead: (head: string) => void): void {
  let bytes = Buffer.alloc(0);
  const onReadable = () => {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      bytes = Buffer.concat([bytes, chunk]);
      const end = bytes.indexOf('\n');
      if (end === -1 && bytes.length > HEAD_BYTES) return void socket.destroy();
      if (end === -1) continue;
      socket.off('readable', onReadable);
      const rest = bytes.subarray(end + 1);
      if (rest.length > 0) socket.unshift(rest);
      return onHead(bytes.toString('latin1', 0, end));
    }
  };
  socket.on('readable', onReadable);
}
