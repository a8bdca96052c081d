/** Structured logs: one line for one event, with everything secret taken out and nothing that can forge a line. */
import { isatty } from 'node:tty';
import pino, { type DestinationStream } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Log } from '#core/log.ts';
import { scrubFields, scrubText } from './log-scrub.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  readonly level: LogLevel;
  readonly format: 'json' | 'pretty';
  /** A file descriptor (1: standard output), the path of a file, or anything with `write`. */
  readonly destination: number | string | DestinationStream;
  /** true: JSON lines are written in blocks of 4 KiB or once a second (`close` writes the rest). Cheaper; a kill loses the last ones. */
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
  /** `METHOD path status ms`, as error from 500 on, as warning from 400 on. `fields` (request id, organization, …) are added. */
  request(line: RequestLine, fields?: object): void;
  /** Writes out what is buffered. */
  close(): Promise<void>;
}

export function openLog(options: LogOptions): RootLog {
  const { level, format } = options;
  const stream = openDestination(options);
  const logger = pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: scrubFields },
      serializers: { err: (value: unknown) => value },
    },
    format === 'pretty' ? prettified(stream, options.destination) : stream,
  );
  return {
    level,
    debug: (fields, message) => logger.isLevelEnabled('debug') && logger.debug(fields, scrubText(message)),
    info: (fields, message) => logger.info(fields, scrubText(message)),
    warn: (fields, message) => logger.warn(fields, scrubText(message)),
    error: (fields, message) => logger.error(fields, scrubText(message)),
    request({ method, path, status, durationMs }, fields) {
      const severity = status >= 500 ? 'error' : status >= 400 ? 'warn' : 'info';
      if (!logger.isLevelEnabled(severity)) return;
      const ms = Math.round(durationMs * 10) / 10;
      const cut = withoutQuery(path);
      const message = scrubText(`${method} ${cut} ${status} ${ms}ms`);
      logger[severity]({ ...fields, method, path: cut, status, durationMs: ms }, message);
    },
    close: () => closeStream(stream),
  };
}

/** Up to the query or fragment. */
export function withoutQuery(path: string): string {
  const end = path.search(/[?#]/);
  return end === -1 ? path : path.slice(0, end);
}

type Destination = ReturnType<typeof pino.destination> | DestinationStream;

function openDestination({ destination, format, buffered = false }: LogOptions): Destination {
  if (typeof destination === 'object') return destination;
  return buffered && format === 'json'
    ? pino.destination({ dest: destination, sync: false, minLength: 4096, periodicFlush: 1000, mkdir: true })
    : pino.destination({ dest: destination, sync: true, mkdir: true });
}

/** In this process and at once: for people at a terminal, not for load. */
function prettified(stream: Destination, destination: LogOptions['destination']): DestinationStream {
  const colorize = typeof destination === 'number' && isatty(destination) && !process.env.NO_COLOR;
  const prettify = prettyFactory({ colorize, translateTime: 'SYS:HH:MM:ss.l' });
  return { write: (line) => stream.write(prettify(line) ?? '') };
}

async function closeStream(stream: Destination): Promise<void> {
  if (!('flushSync' in stream)) return;
  stream.flushSync();
}
