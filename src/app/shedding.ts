/** A replica that runs out of memory answers new requests with 503 before it is too late for those under way. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { getHeapStatistics } from 'node:v8';
import type { Log } from '#core/log.ts';
import type { Handler } from '#http/server.ts';

const LOOK_MS = 1000;

/** Asked by who decides what goes on: they must hear how it is. */
const always = /^\/(?:health|ready|metrics)(?:[/?]|$)/;

export interface Shedding {
  /** A full replica is not ready. */
  readonly full: boolean;
  wrap(handler: Handler): Handler;
  look(): void;
  close(): void;
}

export interface SheddingOptions {
  readonly percent: number;
  readonly log: Log;
  /** Share of the memory that may be used, 0 to 1. */
  readonly used?: () => number;
}

export function openShedding({ percent, log, used = heapUsed }: SheddingOptions): Shedding {
  let full = false;

  function look(): void {
    const now = used() * 100 >= percent;
    if (now === full) return;
    full = now;
    log[full ? 'warn' : 'info'](
      { percent },
      full ? 'memory is nearly full: new requests are refused' : 'there is memory again',
    );
  }
  const timer = setInterval(look, LOOK_MS).unref();

  return {
    get full() {
      return full;
    },
    wrap: (handler) => (req, res) => (full && !always.test(req.url ?? '') ? shed(req, res) : handler(req, res)),
    look,
    close: () => clearInterval(timer),
  };
}

/** Of the gateway: once it is set, as long as it isn't full. */
export function readiness(isFull: () => boolean): { ready: boolean } {
  let started = false;
  return {
    get ready() {
      return started && !isFull();
    },
    set ready(now) {
      started = now;
    },
  };
}

function heapUsed(): number {
  const { used_heap_size: inUse, heap_size_limit: limit } = getHeapStatistics();
  return inUse / limit;
}

function shed(_req: IncomingMessage, res: ServerResponse): void {
  const body = JSON.stringify({ error: 'This replica is full' });
  res.writeHead(503, {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    'Retry-After': '1',
    'Cache-Control': 'no-store',
    Connection: 'close',
  });
  res.end(body);
}
