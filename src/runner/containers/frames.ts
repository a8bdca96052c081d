/** Docker's multiplexed stream: an attached container's stdout and stderr, cut into frames with a head of eight bytes. */
const HEAD = 8;
/** Engines send what one read gave them, some kilobytes; a length beyond this is no frame. */
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

export interface FrameEvents {
  /** Parts of frames as they come: nothing is collected. */
  onStdout(part: Buffer): void;
  onStderr(part: Buffer): void;
  /** Once: what came is no frame. Nothing is delivered after it. */
  onBroken(): void;
}

export interface FrameReader {
  push(chunk: Buffer): void;
}

export function frameReader(events: FrameEvents): FrameReader {
  const head = Buffer.alloc(HEAD);
  let headLength = 0;
  let left = 0;
  let broken = false;

  /** Returns how many bytes it took. */
  function readHead(chunk: Buffer): number {
    const taken = chunk.copy(head, headLength, 0, HEAD - headLength);
    headLength += taken;
    if (headLength < HEAD) return taken;
    left = head.readUInt32BE(4);
    const isFrame = head.readUInt8(0) <= 3 && head.readUIntBE(1, 3) === 0 && left <= MAX_FRAME_BYTES;
    if (left === 0) headLength = 0;
    if (!isFrame) {
      broken = true;
      events.onBroken();
    }
    return taken;
  }

  function deliver(part: Buffer): void {
    const stream = head.readUInt8(0);
    if (stream === 1) events.onStdout(part);
    // 3 is the engine's own complaint.
    else if (stream > 1) events.onStderr(part);
  }

  return {
    push(chunk) {
      let rest = chunk;
      while (rest.length > 0 && !broken) {
        if (headLength < HEAD) {
          rest = rest.subarray(readHead(rest));
          continue;
        }
        const part = rest.subarray(0, left);
        rest = rest.subarray(part.length);
        left -= part.length;
        deliver(part);
        if (left === 0) headLength = 0;
      }
    },
  };
}
