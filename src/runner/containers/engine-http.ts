/** Requests to a container engine. Its answers are a stranger's: bounded, parsed, and never repeated on the wire. */
import type { Duplex } from 'node:stream';
import { type Dispatcher, Pool } from 'undici';
import type { z } from 'zod';

/** What went wrong at the engine: for the log, and for whoever runs the gateway. */
export class EngineError extends Error {
  /** HTTP status of its answer; undefined: there was none, or none that can be read. */
  readonly status: number | undefined;

  constructor(message: string, options: { readonly status?: number; readonly cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.status = options.status;
  }
}

export interface EngineAddress {
  /** `http://localhost` for a socket. */
  readonly origin: string;
  readonly socketPath?: string | undefined;
}

export interface EngineRequest {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the whole exchange. Default: that of the connection. */
  readonly timeoutMs?: number;
  /** Statuses that are no failure, beside 2xx. */
  readonly also?: readonly number[];
}

export interface EngineAnswer {
  readonly status: number;
  readonly body: Buffer;
}

export interface EngineHttp {
  /** Throws EngineError. */
  send(request: EngineRequest): Promise<EngineAnswer>;
  /** Throws EngineError, also for an answer that isn't of this shape. */
  read<T>(request: EngineRequest, schema: z.ZodType<T>): Promise<T>;
  /** Each line of an answer that goes on and on. Throws EngineError. */
  lines(request: EngineRequest, hear: (line: string) => void): Promise<void>;
  /** The connection itself from here on. Throws EngineError. */
  hijack(request: EngineRequest): Promise<Duplex>;
  close(): Promise<void>;
}

/** Both engines speak it since 2019. */
const VERSION = '/v1.40';
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_LINE = 64 * 1024;

export interface EngineHttpOptions {
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
}

export function openEngineHttp(address: EngineAddress, options: EngineHttpOptions): EngineHttp {
  const { socketPath } = address;
  const pool = new Pool(address.origin, {
    connections: 32,
    pipelining: 1,
    maxHeaderSize: 16 * 1024,
    keepAliveTimeout: 4000,
    connect: { timeout: options.connectTimeoutMs, ...(socketPath !== undefined && { socketPath }) },
  });

  async function start(request: EngineRequest): Promise<Dispatcher.ResponseData> {
    const { method, body, timeoutMs = options.timeoutMs } = request;
    try {
      return await pool.request({
        method,
        path: pathOf(request),
        headers: { ...request.headers, ...(body !== undefined && { 'content-type': 'application/json' }) },
        body: body === undefined ? null : JSON.stringify(body),
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (cause) {
      throw unreachable(cause);
    }
  }

  async function send(request: EngineRequest): Promise<EngineAnswer> {
    const response = await start(request);
    const body = await readBody(response);
    const { statusCode: status } = response;
    if ((status < 200 || status > 299) && !request.also?.includes(status)) throw refusal(request, status, body);
    return { status, body };
  }

  return {
    send,
    async read(request, schema) {
      const { status, body } = await send(request);
      return parseAnswer(body, schema, status);
    },
    async lines(request, hear) {
      const response = await start(request);
      if (response.statusCode !== 200) throw refusal(request, response.statusCode, await readBody(response));
      await readLines(response, hear);
    },
    async hijack(request) {
      try {
        const { socket } = await pool.upgrade({
          method: request.method,
          path: pathOf(request),
          protocol: 'tcp',
          signal: AbortSignal.timeout(options.timeoutMs),
        });
        return socket;
      } catch (cause) {
        throw new EngineError('the container engine did not attach to the container', { cause });
      }
    },
    close: () => pool.destroy(),
  };
}

function pathOf({ path, query }: EngineRequest): string {
  return `${VERSION}${path}${query ? `?${new URLSearchParams(query).toString()}` : ''}`;
}

const unreachable = (cause: unknown) => new EngineError('the container engine did not answer', { cause });

async function readBody({ body }: Dispatcher.ResponseData): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of body) {
      if (!Buffer.isBuffer(chunk)) continue;
      length += chunk.length;
      if (length > MAX_BYTES) break;
      chunks.push(chunk);
    }
  } catch (cause) {
    throw unreachable(cause);
  }
  if (length > MAX_BYTES) throw new EngineError(`the container engine answered more than ${MAX_BYTES} bytes`);
  return Buffer.concat(chunks);
}

async function readLines({ body }: Dispatcher.ResponseData, hear: (line: string) => void): Promise<void> {
  let partial = '';
  try {
    for await (const chunk of body) {
      const lines = (partial + String(chunk)).split('\n');
      partial = lines.pop() ?? '';
      if (partial.length > MAX_LINE) throw new EngineError('the container engine sent a line that is too long');
      for (const line of lines) if (line.trim() !== '') hear(line);
    }
  } catch (thrown) {
    throw thrown instanceof EngineError ? thrown : unreachable(thrown);
  }
  if (partial.trim() !== '') hear(partial);
}

export function parseAnswer<T>(body: Buffer | string, schema: z.ZodType<T>, status?: number): T {
  let value: unknown;
  try {
    value = JSON.parse(body.toString());
  } catch (cause) {
    throw new EngineError('the container engine answered with what is no JSON', { ...at(status), cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    throw new EngineError('the container engine answered in an unknown shape', { ...at(status), cause: parsed.error });
  }
  return parsed.data;
}

const at = (status: number | undefined) => (status === undefined ? {} : { status });

/** Its own words, one line of them. */
function refusal({ method, path }: EngineRequest, status: number, body: Buffer): EngineError {
  const text = plain(messageOf(body) ?? '');
  return new EngineError(`the container engine answered ${status} to ${method} ${path}: ${text}`, { status });
}

function messageOf(body: Buffer): string | undefined {
  try {
    const value: unknown = JSON.parse(body.toString('utf8'));
    if (typeof value !== 'object' || value === null || !('message' in value)) return undefined;
    return typeof value.message === 'string' ? value.message : undefined;
  } catch {
    return undefined;
  }
}

/** Without control characters, and short: it goes to logs. */
export const plain = (text: string): string =>
  text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .slice(0, 500)
    .trim();
