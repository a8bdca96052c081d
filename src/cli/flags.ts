/** Values of flags, checked where commander reads them. */
import { InvalidArgumentError } from 'commander';
import { parseDuration } from '#config/limits.ts';

export function commaList(value: string): readonly string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
}

/** `30d`, `12h` as seconds. */
export function durationSeconds(value: string): number {
  const ms = parseDuration(value);
  if (ms === undefined || ms < 1000) throw new InvalidArgumentError('write it like 30d, 12h or 5m');
  return Math.round(ms / 1000);
}

/** `"*"` or a comma list. */
export function roleList(value: string): '*' | readonly string[] {
  return value.trim() === '*' ? '*' : commaList(value);
}

export function portNumber(value: string): string {
  if (/^\d{1,5}$/.test(value) && Number(value) <= 65_535) return value;
  throw new InvalidArgumentError('give a port, 0 to 65535');
}
