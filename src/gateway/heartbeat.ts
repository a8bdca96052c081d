/** One timer for all open streams: load balancers close what is silent for a minute. */
import type { Clock } from '#core/clock.ts';

const TICK_MS = 1000;

export interface LiveStream {
  /** Unix milliseconds: it isn't held open for longer; undefined: no end. */
  readonly endsAt: number | undefined;
  /** Monotonic milliseconds. */
  readonly lastWriteAt: number;
  beat(): void;
  /** Ends it cleanly if it only waits. */
  stop(): void;
}

export interface Heartbeat {
  watch(stream: LiveStream): () => void;
  readonly streams: ReadonlySet<LiveStream>;
  close(): void;
}

/** `idleMs`: how long a stream may be silent. */
export function openHeartbeat(clock: Clock, idleMs = 15_000): Heartbeat {
  const streams = new Set<LiveStream>();
  let closed = false;
  const timer = setInterval(() => {
    const due = clock.monotonic() - idleMs;
    const now = clock.now();
    for (const relay of streams) {
      if (relay.endsAt !== undefined && relay.endsAt <= now) relay.stop();
      else if (relay.lastWriteAt < due) relay.beat();
    }
  }, TICK_MS);
  timer.unref();
  return {
    streams,
    watch(relay) {
      streams.add(relay);
      // One that opens on a kept connection while the gateway stops would hold the stop up.
      if (closed) queueMicrotask(() => relay.stop());
      return () => streams.delete(relay);
    },
    close() {
      closed = true;
      clearInterval(timer);
      for (const relay of streams) relay.stop();
    },
  };
}
