/** Structured logs: one line for one event, with everything secret taken out and nothing that can forge a line. */
import { mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { isatty } from 'node:tty';
import pino, { type DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Log } from '#core/log.ts';
import { isHarmless, scrubFields, scrubText } from './log-scrub.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
  /** A file descriptor (1: standard output), the path of a file, or anything with `write`. */
  readonly destination: number | string | DestinationStream;
  /** The pretty format may be coloured where the destination is a terminal. */
  readonly color?: boolean;
  /** true: lines of answered requests are written together, at most 20 ms late; all others at once. Only JSON. A kill -9 loses the last ones. */
  readonly buffered?: boolean;
}

export interface RequestLine {
  readonly method: string;
  /** With or without a query: it is cut off, for it may carry secrets. */
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
}

export interface RootLog extends Log {
  readonly level: LogLevel;
  /** `METHOD path status ms`, as error from 500 on, as warning from 400 on. `fields` (request id, organization, …) are added: their names are ours and none of a secret. */
  request(line: RequestLine, fields?: object): void;
  /** Writes out what is buffered. */
  close(): Promise<void>;
}

export function openLog(options: LogOptions): RootLog {
  const { level, format } = options;
  const stream = openDestination(options);
  const batch = openBatch(stream, options.buffered === true && format === 'json');
  const time = isoTime();
  const logger = pino(
    {
      level,
      base: undefined,
      timestamp: time,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: (value: unknown) => value },
    },
    format === 'pretty' ? prettified(stream, options) : batch,
  );
  const write = (severity: 'debug' | 'info' | 'warn' | 'error') => (fields: object, message: string) => {
    if (!logger.isLevelEnabled(severity)) return;
    logger[severity](scrubFields(fields instanceof Error ? { err: fields } : fields), scrubText(message));
    batch.flush();
  };
  return {
    level,
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    request({ method, path, status, durationMs }, fields) {
      const severity = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info';
      if (!logger.isLevelEnabled(severity)) return;
      const ms = Math.round(durationMs * 10) / 10;
      const cut = withoutQuery(path);
      if (format === 'json' && severity === 'info') {
        const msg = `${method} ${cut} ${status} ${ms}ms`;
        const line = JSON.stringify({ ...fields, method, path: cut, status, durationMs: ms, msg });
        // The line of an ordinary call, without the detour: by far the most frequent one.
        if (isHarmless(line)) return batch.write(`{"level":"info"${time()},${line.slice(1)}\n`);
      }
      const message = scrubText(`${method} ${cut} ${status} ${ms}ms`);
      logger[severity](scrubFields({ ...fields, method, path: cut, status, durationMs: ms }), message);
      if (severity !== 'info') batch.flush();
    },
    close() {
      batch.flush();
      return closeStream(stream);
    },
  };
}

/** Up to the query or fragment. */
export function withoutQuery(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

/** RFC 3339 in UTC, to the millisecond; what is the same for a whole second is made once in it. */
function isoTime(): () => string {
  let second = Number.NaN;
  let prefix = '';
  return () => {
    const nowMs = Date.now();
    const nowSecond = Math.floor(nowMs / 1000);
    if (nowSecond !== second) {
      second = nowSecond;
      prefix = `,"time":"${new Date(nowSecond * 1000).toISOString().slice(0, 20)}`;
    }
    return `${prefix}${String(nowMs - nowSecond * 1000).padStart(3, '0')}Z"`;
  };
}

type Destination = ReturnType<typeof pino.destination> | DestinationStream;

function openDestination({ destination }: LogOptions): Destination {
  if (typeof destination === 'object') return destination;
  // Opened here and now, so that it can be written to, and flushed, at any moment.
  const fd = typeof destination === 'number' ? destination : openFile(destination);
  return pino.destination({ dest: fd, sync: true });
}

const BATCH_MS = 20;
const BATCH_LINES = 64;

/** Joins lines into one write: a system call for each line costs more than the line. */
function openBatch(stream: Destination, buffered: boolean): DestinationStream & { flush(): void } {
  let lines: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = () => {
    clearTimeout(timer);
    timer = undefined;
    if (lines.length === 0) return;
    const text = lines.join('');
    lines = [];
    stream.write(text);
  };
  if (!buffered) return { write: (line) => void stream.write(line), flush: () => undefined };
  process.once('exit', flush);
  return {
    flush,
    write(line) {
      if (lines.push(line) >= BATCH_LINES) flush();
      else timer ??= setTimeout(flush, BATCH_MS).unref();
    },
  };
}

function openFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  return openSync(path, 'a', 0o640);
}

/** In this process and at once: for people at a terminal, not for load. */
function prettified(stream: Destination, { destination, color = false }: LogOptions): DestinationStream {
  const colorize = color && typeof destination === 'number' && isatty(destination);
  const prettify = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss', singleLine: true });
  return { write: (line) => stream.write(prettify(line) ?? '') };
}

async function closeStream(stream: Destination): Promise<void> {
  if (!('flushSync' in stream)) return;
  stream.flushSync();
}
