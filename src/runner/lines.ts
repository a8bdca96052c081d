/** Cuts a byte stream into lines without decoding it; a line longer than the cap ends the stream. */
const NEWLINE = 0x0a;
const RETURN = 0x0d;

export interface LineReader {
  push(chunk: Buffer): void;
}

export interface LineReaderEvents {
  /** Without its line end; never empty. */
  onLine(line: Buffer): void;
  /** Once; nothing is delivered after it. */
  onTooLong(): void;
}

export function lineReader(maxBytes: number, events: LineReaderEvents): LineReader {
  let parts: Buffer[] = [];
  let length = 0;
  let over = false;

  function deliver(tail: Buffer): void {
    let line = tail;
    if (length > 0) {
      parts.push(tail);
      line = Buffer.concat(parts);
      parts = [];
      length = 0;
    }
    if (line[line.length - 1] === RETURN) line = line.subarray(0, -1);
    if (line.length > 0) events.onLine(line);
  }

  return {
    push(chunk) {
      let start = 0;
      while (!over) {
        const end = chunk.indexOf(NEWLINE, start);
        const stop = end === -1 ? chunk.length : end;
        if (length + stop - start > maxBytes) {
          over = true;
          parts = [];
          events.onTooLong();
          return;
        }
        if (end === -1) {
          if (stop > start) {
            parts.push(chunk.subarray(start));
            length += stop - start;
          }
          return;
        }
        deliver(chunk.subarray(start, end));
        start = end + 1;
      }
    },
  };
}
