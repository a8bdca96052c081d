import { onOneLine } from '#adapters/upstream/message-stream/line.ts';
import type { Wire } from '#adapters/upstream/message-stream/wire.ts';
import type { ProcessChild } from './process.ts';

/** One message per line. What is written counts as sent. */
export function childWire(child: ProcessChild): Wire {
  return {
    get pendingBytes() {
      return child.pendingBytes;
    },
    get unopened() {
      return child.pid === undefined;
    },
    write(message, delivery) {
      delivery?.onSent();
      child.write(onOneLine(message));
    },
    stop: () => child.stop(),
    kill: (reason) => child.kill(reason),
  };
}
