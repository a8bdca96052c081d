/** A plain HTTP client for black-box tests: exact bytes out, exact bytes in, no pooling, no redirects. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { createParser, type EventSourceMessage } from 'eventsource-parser';

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string goes out as it stands; anything else as JSON. */
  readonly body?: unknown;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly rawHeaders: readonly string[];
  readonly bytes: Buffer;
  readonly text: string;
  /** The parsed body. Throws when it is no JSON. */
  readonly json: unknown;
}

const mcpHeaders = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

function open(url: string, { method = 'POST', headers, body }: Sent) {
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  const req = request(url, {
    method,
    agent: false,
    headers: {
      ...(method === 'POST' ? mcpHeaders : { accept: 'text/event-stream' }),
      ...(bytes && { 'content-length': String(bytes.length) }),
      ...headers,
    },
  });
  req.end(bytes);
  return req;
}

/** One request with MCP's usual header fields (`headers` replaces and adds), the whole answer read. */
export function send(url: string, sent: Sent = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const req = open(url, sent);
    req.on('error', reject);
    req.on('response', (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk: Buffer) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => resolve(answerOf(res, Buffer.concat(chunks))));
    });
  });
}

function answerOf(res: IncomingMessage, bytes: Buffer): Answer {
  const text = bytes.toString();
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    rawHeaders: res.rawHeaders,
    bytes,
    text,
    get json(): unknown {
      return JSON.parse(text);
    },
  };
}

export interface EventStream {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The next event; undefined at the stream's end. Throws after 10 s. */
  next(): Promise<EventSourceMessage | undefined>;
  /** The next event's data as JSON; throws at the end. */
  nextJson(): Promise<unknown>;
  /** Hangs up. */
  close(): void;
}

/** An answer read event by event. The promise settles at its header. */
export function openStream(url: string, sent: Sent = {}): Promise<EventStream> {
  return new Promise((resolve, reject) => {
    const req = open(url, sent);
    req.on('error', reject);
    req.on('response', (res) => resolve(eventStream(res, () => req.destroy())));
  });
}

function eventStream(res: IncomingMessage, hangUp: () => void): EventStream {
  const waiting: EventSourceMessage[] = [];
  let ended = false;
  let wake: () => void = () => {};
  const parser = createParser({
    onEvent(message) {
      waiting.push(message);
      wake();
    },
  });
  res.setEncoding('utf8').on('data', (chunk: string) => parser.feed(chunk));
  const finish = () => {
    ended = true;
    wake();
  };
  res.on('end', finish).on('close', finish).on('error', finish);
  const next = async () => {
    if (waiting.length === 0 && !ended) {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('No event within 10 s')), 10_000);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return waiting.shift();
  };
  return {
    status: res.statusCode ?? 0,
    headers: res.headers,
    next,
    async nextJson() {
      const message = await next();
      if (!message) throw new Error('The stream ended');
      return JSON.parse(message.data);
    },
    close: hangUp,
  };
}

export const bearer = (key: string) => ({ authorization: `Bearer ${key}` });

export const call = (name: string, args?: unknown, id: unknown = 1) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, ...(args !== undefined && { arguments: args }) },
});

/** Of a legacy client. */
export const initialize = (capabilities: object = {}) => ({
  jsonrpc: '2.0',
  id: 0,
  method: 'initialize',
  params: { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 't', version: '1' } },
});
