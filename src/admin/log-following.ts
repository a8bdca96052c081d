/**
 * `GET …/runs/{server}/logs/follow`: what a server writes, line by line as JSON, from now on. Bounded: so many listeners,
 * so long, and whoever reads too slowly is cut off.
 */
import type { ServerResponse } from 'node:http';
import { GatehouseError } from '#core/error.ts';
import type { ServerId } from '#core/ids.ts';
import type { LogLine, Runs } from '#runner/runs.ts';

export interface LogFollowing {
  /** `tail`: how many lines that were written before go first. Throws `too_many_calls`. */
  open(res: ServerResponse, wish: { readonly server: ServerId; readonly tail: number }): void;
  /** Ends all, and refuses new ones. */
  close(): void;
}

const MAX_FOLLOWERS = 32;
const MAX_MS = 3_600_000;
const MAX_WAITING_BYTES = 1 << 20;
/** An empty line: proxies cut what is silent. */
const BEAT_MS = 15_000;

export function openLogFollowing(runs: Pick<Runs, 'lines' | 'follow'>): LogFollowing {
  const ends = new Set<() => void>();
  let closed = false;
  return {
    open(res, { server, tail }) {
      if (closed) throw new GatehouseError('shutting_down');
      if (ends.size >= MAX_FOLLOWERS) throw new GatehouseError('too_many_calls');
      res.writeHead(200, { 'content-type': 'application/x-ndjson; charset=utf-8', 'cache-control': 'no-store' });
      const write = ({ at, run, text }: LogLine) => {
        if (res.writableLength > MAX_WAITING_BYTES) return res.destroy();
        res.write(`${JSON.stringify({ at: new Date(at).toISOString(), run, text })}\n`);
      };
      for (const line of runs.lines(server, tail)) write(line);
      // The head goes out even where nothing was written yet.
      res.write('\n');
      const stop = runs.follow(server, write);
      const beat = setInterval(() => res.write('\n'), BEAT_MS).unref();
      const end = () => res.end();
      const limit = setTimeout(end, MAX_MS).unref();
      ends.add(end);
      res.once('close', () => {
        stop();
        clearInterval(beat);
        clearTimeout(limit);
        ends.delete(end);
      });
    },
    close() {
      closed = true;
      for (const end of ends) end();
    },
  };
}
