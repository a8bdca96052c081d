/** WebSocket: one text frame is one JSON-RPC message, in both directions; whatever is refused before is refused as HTTP would. */
import type { IncomingMessage } from 'node:http';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '#core/clock.ts';
import type { GatehouseError } from '#core/error.ts';
import type { Asked } from '#gateway/entrance.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import type { LiveStream } from '#gateway/heartbeat.ts';
import type { Upgrade } from '#http/server.ts';
import type { JsonLimits } from '#mcp/json-scan.ts';
import { type Message, parseMessage } from '#mcp/message.ts';
import { Conversation } from './conversation.ts';
import type { OpenChannel, Seat } from './door.ts';
import { Outbox } from './outbox.ts';

export interface WebSocketDeps {
  readonly mcp: McpHandler;
  readonly clock: Clock;
  readonly json: JsonLimits;
  readonly maxMessageBytes: number;
  /** Messages of one socket under way at once; more wait unread. */
  readonly maxInFlight: number;
}

export type UpgradeHandler = (upgrade: Upgrade, asked: Asked, options: { readonly welcomes: boolean }) => void;

/** RFC 6455 7.4.1. */
const closeCode = { goingAway: 1001, unacceptable: 1003, refused: 1008 } as const;
/** RFC 6455 5.5: 123 bytes of UTF-8. */
const MAX_REASON_CHARS = 120;
const SUBPROTOCOL = 'mcp';
/** A peer that hasn't been heard of for this long although it was pinged is gone. */
const SILENT_MS = 45_000;
/** SECURITY E16. */
const MAX_PINGS_PER_SECOND = 20;
/** What came in one read before reading could be stopped. */
const MAX_QUEUED = 4096;

export function openWebSockets(deps: WebSocketDeps): UpgradeHandler {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: deps.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  return ({ req, res, socket, head }, asked, { welcomes }) => {
    const wrong = wrongWith(req);
    if (wrong !== undefined) {
      const body = JSON.stringify({ error: wrong });
      res
        .writeHead(400, { 'Content-Type': 'application/json; charset=utf-8', 'Sec-WebSocket-Version': '13' })
        .end(body);
      return;
    }
    const open = (seat: Seat): OpenChannel => {
      res.detachSocket(socket);
      let channel: SocketChannel | undefined;
      server.handleUpgrade(req, socket, head, (webSocket) => {
        channel = new SocketChannel(webSocket, { ...deps, seat, asked, request: req });
        if (welcomes && webSocket.protocol === '') channel.welcome();
      });
      // It hung up in the meantime.
      if (!channel) seat.end('client_gone');
      return channel ?? { cut: () => socket.destroy() };
    };
    deps.mcp(req, res, { ...asked, door: { isInner: false, opening: { status: 101, open } } });
  };
}

/** RFC 6455 4.2.1; undefined: a handshake. */
function wrongWith({ method, headers }: IncomingMessage): string | undefined {
  if (method !== 'GET') return 'A WebSocket is opened with GET';
  if (headers['sec-websocket-version'] !== '13') return 'WebSocket version 13 is spoken here';
  if (!/^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')) return 'Sec-WebSocket-Key is missing or wrong';
  const protocols = headers['sec-websocket-protocol'];
  if (
    protocols !== undefined &&
    !/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:[ \t]*,[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+)*$/.test(protocols)
  )
    return 'Sec-WebSocket-Protocol is not a list of names';
  return undefined;
}

interface SocketChannelDeps extends WebSocketDeps {
  readonly seat: Seat;
  readonly asked: Asked;
  readonly request: IncomingMessage;
}

interface Queued {
  readonly body: Buffer;
  readonly message: Message | undefined;
}

class SocketChannel implements OpenChannel, LiveStream {
  readonly endsAt: number | undefined;
  lastWriteAt: number;
  readonly #socket: WebSocket;
  readonly #deps: SocketChannelDeps;
  readonly #conversation: Conversation;
  readonly #unwatch: () => void;
  readonly #outlet: Outbox;
  #draining = false;
  #queue: Queued[] = [];
  /** What comes after it must not overtake it. */
  #barrier = false;
  #stopping = false;
  #lastHeardAt: number;
  #pings = { second: 0, count: 0 };
  #end: GatehouseError | 'client_gone' | undefined = 'client_gone';

  constructor(socket: WebSocket, deps: SocketChannelDeps) {
    const { seat, clock, mcp, asked, request } = deps;
    this.#socket = socket;
    this.#deps = deps;
    this.endsAt = seat.endsAt;
    this.lastWriteAt = clock.monotonic();
    this.#lastHeardAt = this.lastWriteAt;
    this.#outlet = new Outbox((text, sent) => this.#send(text, sent));
    this.#conversation = new Conversation({ mcp, asked, request, outlet: this.#outlet, clock });
    this.#unwatch = seat.watch(this);
    socket.on('message', (data, isBinary) => this.#hear(data, isBinary));
    socket.on('ping', () => this.#countPing());
    socket.on('pong', () => this.#heard());
    // Broken frames and those that are too large: ws closes with the code that says so.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#closed());
  }

  /** REQUIREMENTS S4.9. No JSON-RPC message: only where the client is none of the official ones. */
  welcome(): void {
    const sessionId = crypto.randomUUID();
    this.#send(
      JSON.stringify({ type: 'connection', sessionId, capabilities: { tools: {}, resources: {}, prompts: {} } }),
    );
  }

  cut(error: GatehouseError): void {
    this.#close(closeCode.refused, error.message, error);
  }

  beat(): void {
    const now = this.#deps.clock.monotonic();
    if (now - this.#lastHeardAt > SILENT_MS) {
      this.#socket.terminate();
      return;
    }
    this.lastWriteAt = now;
    this.#socket.ping();
  }

  /** Its caller's time is up, or the gateway stops: then calls under way are answered first. */
  stop(): void {
    if (this.endsAt !== undefined && this.endsAt <= this.#deps.clock.now()) {
      this.#close(closeCode.refused, 'The token has expired');
      return;
    }
    this.#stopping = true;
    this.#closeIfIdle();
  }

  #closeIfIdle(): void {
    if (this.#stopping && this.#queue.length === 0 && this.#conversation.waiting === 0)
      this.#close(closeCode.goingAway, 'The gateway is stopping');
  }

  #close(code: number, reason: string, error?: GatehouseError): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#end = error;
    this.#socket.close(code, reason.slice(0, MAX_REASON_CHARS));
    // The other side's close frame must be read.
    this.#queue = [];
    this.#socket.resume();
    this.#conversation.close();
  }

  #closed(): void {
    this.#unwatch();
    this.#queue = [];
    this.#conversation.close();
    this.#deps.seat.end(this.#end);
  }

  #send(text: string, sent?: () => void): void {
    this.lastWriteAt = this.#deps.clock.monotonic();
    this.#socket.send(text, () => sent?.());
  }

  #heard(): void {
    this.#lastHeardAt = this.#deps.clock.monotonic();
  }

  #countPing(): void {
    this.#heard();
    const second = Math.floor(this.#lastHeardAt / 1000);
    this.#pings = second === this.#pings.second ? { second, count: this.#pings.count + 1 } : { second, count: 1 };
    if (this.#pings.count > MAX_PINGS_PER_SECOND) this.#close(closeCode.refused, 'Too many pings');
  }

  #hear(data: WebSocket.RawData, isBinary: boolean): void {
    this.#heard();
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    if (isBinary || !Buffer.isBuffer(data)) {
      this.#close(closeCode.unacceptable, 'Messages are text frames');
      return;
    }
    if (this.#queue.length >= MAX_QUEUED) {
      this.#close(closeCode.refused, 'Too many messages');
      return;
    }
    this.#queue.push({ body: data, message: this.#parse(data) });
    this.#work();
  }

  /** The rooms read it again, and say what is wrong with it. */
  #parse(data: Buffer): Message | undefined {
    try {
      return parseMessage(data, this.#deps.json);
    } catch {
      return undefined;
    }
  }

  /** Who asks and doesn't read what was answered is heard no more until he does. */
  #workOnceRead(): void {
    if (!this.#outlet.isFull || this.#draining) return;
    this.#draining = true;
    this.#outlet.onDrain(() => {
      this.#draining = false;
      this.#work();
    });
  }

  #work(): void {
    while (!this.#barrier && !this.#outlet.isFull && this.#conversation.size < this.#deps.maxInFlight) {
      const next = this.#queue.shift();
      if (!next) break;
      const isBarrier = isFirst(next.message);
      this.#barrier = isBarrier;
      this.#conversation.post(next.body, next.message, () => {
        if (isBarrier) this.#barrier = false;
        queueMicrotask(() => {
          this.#work();
          this.#closeIfIdle();
        });
      });
    }
    if (this.#queue.length > 0) {
      this.#socket.pause();
      this.#workOnceRead();
    } else if (this.#socket.isPaused) this.#socket.resume();
  }
}

/** By HTTP a client waits for the answer to these before it goes on. */
function isFirst(message: Message | undefined): boolean {
  return message?.method === 'initialize' || message?.method === 'notifications/initialized';
}
