/** HTTP over `node:net`, byte for byte: for requests that no HTTP client would send. */
import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface RawExchange {
  /** Every complete answer, in order. */
  readonly answers: readonly RawAnswer[];
  readonly raw: Buffer;
  /** Whether the other side closed the connection within the time. */
  readonly closed: boolean;
}

export interface RawOptions {
  /** Stops waiting once this many answers are complete. */
  readonly answers?: number;
  /** Milliseconds until waiting ends in any case. */
  readonly timeoutMs?: number;
  /** Half-closes after the last byte. */
  readonly halfClose?: boolean;
}

/** Sends `bytes` (several pieces go out as several writes) and collects what comes back. */
export async function sendRaw(
  port: number,
  bytes: string | Buffer | readonly (string | Buffer)[],
  options: RawOptions = {},
): Promise<RawExchange> {
  const { answers: wanted = 1, timeoutMs = 3000, halfClose = false } = options;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const chunks: Buffer[] = [];
  let closed = false;
  const done = new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    const finish = () => {
      clearTimeout(timer);
      resolve();
    };
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (parseAnswers(Buffer.concat(chunks)).length >= wanted) setTimeout(finish, 30);
    });
    socket.on('end', () => {
      closed = true;
      finish();
    });
    socket.on('close', () => {
      closed = true;
      finish();
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      closed ||= code === 'ECONNRESET' || code === 'EPIPE';
      finish();
    });
  });
  await writeAll(socket, Array.isArray(bytes) ? bytes : [bytes]);
  if (halfClose) socket.end();
  await done;
  socket.destroy();
  const raw = Buffer.concat(chunks);
  return { answers: parseAnswers(raw), raw, closed };
}

async function writeAll(socket: Socket, pieces: readonly (string | Buffer)[]): Promise<void> {
  socket.setNoDelay(true);
  for (const piece of pieces) {
    if (socket.destroyed) return;
    await new Promise<void>((resolve) =>
      socket.write(typeof piece === 'string' ? latin(piece) : piece, () => resolve()),
    );
  }
}

/** One byte per character: the corpus writes bytes above 127 as `\xff`. */
const latin = (text: string) => Buffer.from(text, 'latin1');

/** Complete HTTP/1.1 answers at the start of `raw`. Interim 1xx answers count as answers of their own. */
export function parseAnswers(raw: Buffer): RawAnswer[] {
  const answers: RawAnswer[] = [];
  let at = 0;
  for (;;) {
    const end = raw.indexOf('\r\n\r\n', at);
    if (end < 0) return answers;
    const [line = '', ...fields] = raw.toString('latin1', at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1]);
    if (!status) return answers;
    const headers = new Map(
      fields.map((field) => [
        field.slice(0, field.indexOf(':')).toLowerCase(),
        field.slice(field.indexOf(':') + 1).trim(),
      ]),
    );
    const body = readBody(raw, end + 4, status, headers);
    if (!body) return answers;
    answers.push({ status, headers, body: body.text });
    at = body.end;
  }
}

function readBody(raw: Buffer, start: number, status: number, headers: ReadonlyMap<string, string>) {
  if (status < 200 || status === 204 || status === 304) return { text: '', end: start };
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(raw, start);
  const length = headers.get('content-length');
  const end = length === undefined ? raw.length : start + Number(length);
  return end <= raw.length ? { text: raw.toString('utf8', start, end), end } : undefined;
}

function readChunks(raw: Buffer, start: number) {
  const parts: Buffer[] = [];
  let at = start;
  for (;;) {
    const line = raw.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = Number.parseInt(raw.toString('latin1', at, line), 16);
    const next = line + 2 + size + 2;
    if (next > raw.length) return undefined;
    if (size === 0) return { text: Buffer.concat(parts).toString(), end: next };
    parts.push(raw.subarray(line + 2, line + 2 + size));
    at = next;
  }
}
