/**
 * A child's standard error: always read (a full pipe would block the child), kept as a tail of bounded size, and passed
 * to the log line by line with secrets, control characters and excess removed.
 */
import { StringDecoder } from 'node:string_decoder';
import type { Clock } from '#core/clock.ts';

export interface StderrSink {
  push(chunk: Buffer): void;
  /** The last bytes, redacted: for whoever explains why a child died. */
  tail(): string;
}

export interface StderrOptions {
  readonly clock: Clock;
  /** Clear texts to hide, longest first. */
  readonly secrets: readonly string[];
  readonly keepBytes: number;
  readonly linesPerSecond: number;
  onLine(text: string): void;
  /** Lines not passed on since the last report. */
  onDropped(count: number): void;
}

const LINE_BYTES = 8192;
/** A secret that begins in what is shown of a line ends in it. */
const CUT_BYTES = 2 * LINE_BYTES;

export function openStderr(options: StderrOptions): StderrSink {
  const ring = Buffer.alloc(options.keepBytes);
  let written = 0;
  const decoder = new StringDecoder('utf8');
  let partial = '';
  let windowAt = options.clock.monotonic();
  let inWindow = 0;
  let dropped = 0;

  function remember(chunk: Buffer): void {
    const part = chunk.subarray(Math.max(0, chunk.length - ring.length));
    const copied = part.copy(ring, written % ring.length);
    if (copied < part.length) part.copy(ring, 0, copied);
    written += part.length;
  }

  function report(line: string): void {
    const now = options.clock.monotonic();
    if (now - windowAt >= 1000) {
      windowAt = now;
      inWindow = 0;
      if (dropped > 0) options.onDropped(dropped);
      dropped = 0;
    }
    if (++inWindow > options.linesPerSecond) dropped++;
    else options.onLine(clean(line, options.secrets).slice(0, LINE_BYTES));
  }

  return {
    push(chunk) {
      remember(chunk);
      const lines = (partial + decoder.write(chunk)).split('\n');
      partial = lines.pop() ?? '';
      // Cut after what is secret in it was taken out: half of a secret would be none.
      for (const line of lines) if (line.trim() !== '') report(line.slice(0, CUT_BYTES));
      if (partial.length > LINE_BYTES) {
        report(partial.slice(0, CUT_BYTES));
        partial = '';
      }
    },
    tail() {
      if (written <= ring.length) return clean(ring.toString('utf8', 0, written), options.secrets);
      const at = written % ring.length;
      const text = Buffer.concat([ring.subarray(at), ring.subarray(0, at)]).toString('utf8');
      // The first line is cut, perhaps inside a secret.
      return clean(text.slice(text.indexOf('\n') + 1), options.secrets);
    },
  };
}

/** Without terminal sequences and control characters, with secrets replaced. */
function clean(text: string, secrets: readonly string[]): string {
  let out = plain(text);
  for (const secret of secrets.map(plain)) if (secret.trim() !== '') out = out.replaceAll(secret, '[secret]');
  return out;
}

/** As it is shown: also without what turns or hides text (SECURITY F1). */
function plain(text: string): string {
  const out = text.replace(/\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\-_])/g, '');
  return out.replace(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|\udb40[\udc00-\udfff]/g,
    '',
  );
}
