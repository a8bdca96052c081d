/** A TCP proxy that does to a connection what networks do (SECURITY 0.1): for every fault in front of any port. */
import { connect, createServer, type Socket } from 'node:net';
import { listenOnLoopback } from './listen.ts';

export type Fault =
  | { readonly kind: 'pass' }
  /** Everything arrives, each chunk this much later. */
  | { readonly kind: 'latency'; readonly ms: number }
  /** Answers trickle: one byte each `ms`. */
  | { readonly kind: 'drip'; readonly ms: number }
  /** RST after so many bytes of the answer. */
  | { readonly kind: 'reset-after'; readonly bytes: number }
  /** A clean end after so many bytes of the answer. */
  | { readonly kind: 'truncate'; readonly bytes: number }
  /** Noise instead of the answer. */
  | { readonly kind: 'garbage' }
  /** The proxy ends its side as soon as the request's first bytes came, and still reads. */
  | { readonly kind: 'half-close' }
  /** Takes the request, forwards it, never answers. */
  | { readonly kind: 'stall' }
  /** Takes bytes and does nothing with them. */
  | { readonly kind: 'blackhole' }
  | { readonly kind: 'reset-on-accept' };

export interface FaultProxy {
  readonly port: number;
  readonly url: string;
  /** For connections from now on. */
  set(fault: Fault): void;
  /** Resets what is open. */
  killAll(): void;
  connections(): number;
  /** Closes the listener and all connections: refused from now on. */
  close(): Promise<void>;
}

export async function startFaultProxy(targetPort: number, first: Fault = { kind: 'pass' }): Promise<FaultProxy> {
  let fault = first;
  const open = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    open.add(client);
    client.on('close', () => open.delete(client));
    client.on('error', () => client.destroy());
    if (fault.kind === 'reset-on-accept') client.resetAndDestroy();
    else if (fault.kind === 'blackhole') client.resume();
    else forward(client, targetPort, fault);
  });
  const { port, close } = await listenOnLoopback(server);
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    set(next) {
      fault = next;
    },
    killAll() {
      for (const client of open) client.resetAndDestroy();
    },
    connections: () => open.size,
    close,
  };
}

function forward(client: Socket, targetPort: number, fault: Fault): void {
  const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true });
  target.on('error', () => client.destroy());
  client.on('close', () => target.destroy());
  if (fault.kind === 'half-close') {
    client.once('data', () => client.end());
    client.pipe(target);
    target.resume();
    return;
  }
  if (fault.kind === 'latency') delayed(client, target, fault.ms);
  else client.pipe(target);
  answer(client, target, fault);
}

function answer(client: Socket, target: Socket, fault: Fault): void {
  let sent = 0;
  switch (fault.kind) {
    case 'latency':
      delayed(target, client, fault.ms);
      return;
    case 'stall':
      target.resume();
      return;
    case 'garbage':
      target.once('data', () => client.end(Buffer.alloc(512, '\x00\xff\x13garbage')));
      return;
    case 'drip':
      drip(target, client, fault.ms);
      return;
    case 'reset-after':
    case 'truncate':
      target.on('data', (chunk: Buffer) => {
        const room = Math.max(0, fault.bytes - sent);
        sent += chunk.length;
        if (client.destroyed || client.writableEnded) return;
        client.write(chunk.subarray(0, room), () => {
          if (sent < fault.bytes) return;
          if (fault.kind === 'truncate') client.end();
          else client.resetAndDestroy();
        });
      });
      return;
    default:
      target.pipe(client);
  }
}

function delayed(from: Socket, to: Socket, ms: number): void {
  from.on('data', (chunk: Buffer) => setTimeout(() => to.writable && to.write(chunk), ms));
  from.on('end', () => setTimeout(() => to.end(), ms));
}

function drip(from: Socket, to: Socket, ms: number): void {
  const waiting: number[] = [];
  const timer = setInterval(() => {
    const byte = waiting.shift();
    if (byte !== undefined && to.writable) to.write(Buffer.of(byte));
  }, ms);
  from.on('data', (chunk: Buffer) => waiting.push(...chunk));
  to.on('close', () => clearInterval(timer));
}
