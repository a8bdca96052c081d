import { inspect } from 'node:util';
import type { Log } from '#core/log.ts';

/** A log that keeps its lines, errors with their causes spelled out: to look for what must not be in them. */
export interface RecordingLog extends Log {
  text(): string;
}

export function recordingLog(): RecordingLog {
  const lines: string[] = [];
  const write = (level: string) => (fields: object, message: string) => {
    lines.push(`${level} ${message} ${inspect(fields, { depth: 12, showHidden: true, maxStringLength: null })}`);
  };
  return {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
    text: () => lines.join('\n'),
  };
}
