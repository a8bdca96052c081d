/**
 * What runs for which server, whatever runs it: for people who look, and for whoever ends it. Each server's output is kept
 * in a ring of bounded size. In memory: what runs here is this process's alone.
 */
import type { Clock } from '#core/clock.ts';
import type { OrgId, ServerId } from '#core/ids.ts';

/** One program that runs. */
export interface Run {
  readonly id: string;
  readonly server: ServerId;
  /** The server's key. */
  readonly key: string;
  /** Whose calls started it; undefined: it serves all. */
  readonly org: OrgId | undefined;
  readonly kind: 'process' | 'container';
  readonly pid?: number | undefined;
  readonly container?: string | undefined;
  /** Unix milliseconds. */
  readonly startedAt: number;
  /** Where it answers, of programs that listen. */
  readonly url?: string | undefined;
  /** `none`: with the rights of the gateway. */
  readonly sandbox: 'bubblewrap' | 'docker' | 'podman' | 'none';
}

export interface RunExit {
  readonly at: number;
  readonly code: number | null;
  readonly signal: string | null;
  readonly reason: string;
}

export interface LogLine {
  /** Unix milliseconds. */
  readonly at: number;
  readonly run: string;
  /** Redacted, without control characters. */
  readonly text: string;
}

export interface Runs {
  /** Of a program that starts. `end`: how to end it; resolves when it is gone. */
  add(run: Run, end: () => Promise<void>): void;
  remove(id: string, exit: RunExit): void;
  log(server: ServerId, run: string, text: string): void;
  /** In the order of their start. */
  list(): readonly Run[];
  lastExit(server: ServerId): RunExit | undefined;
  /** How many programs of it have ended, for whatever reason. */
  exits(server: ServerId): number;
  /** The newest lines, oldest first. */
  lines(server: ServerId, count: number): readonly LogLine[];
  /** Hears every line from now on; returns how to stop. */
  follow(server: ServerId, hear: (line: LogLine) => void): () => void;
  /** Ends all programs of a server; the next call starts one again. How many there were. */
  end(server: ServerId): Promise<number>;
}

const RING_LINES = 1000;
/** Lines may be long: a thousand of the longest, of every server, would be a lot. */
const RING_CHARACTERS = 512 * 1024;
const MAX_SERVERS = 1000;

interface Output {
  readonly lines: LogLine[];
  characters: number;
  readonly followers: Set<(line: LogLine) => void>;
  lastExit: RunExit | undefined;
  exits: number;
}

export function openRuns({ clock }: { readonly clock: Clock }): Runs {
  const running = new Map<string, { readonly run: Run; readonly end: () => Promise<void> }>();
  const outputs = new Map<ServerId, Output>();

  function outputOf(server: ServerId): Output {
    const known = outputs.get(server);
    if (known) return known;
    const isIdle = ([id, { followers }]: [ServerId, Output]) =>
      followers.size === 0 && ![...running.values()].some(({ run }) => run.server === id);
    if (outputs.size >= MAX_SERVERS) {
      const [oldest] = [...outputs].find(isIdle) ?? [];
      if (oldest) outputs.delete(oldest);
    }
    const made: Output = { lines: [], characters: 0, followers: new Set(), lastExit: undefined, exits: 0 };
    outputs.set(server, made);
    return made;
  }

  return {
    add: (run, end) => void running.set(run.id, { run, end }),
    remove(id, exit) {
      const known = running.get(id);
      running.delete(id);
      if (!known) return;
      const output = outputOf(known.run.server);
      output.lastExit = exit;
      output.exits++;
    },
    log(server, run, text) {
      const output = outputOf(server);
      const line = { at: clock.now(), run, text };
      output.lines.push(line);
      output.characters += text.length;
      while (output.lines.length > RING_LINES || output.characters > RING_CHARACTERS)
        output.characters -= output.lines.shift()?.text.length ?? output.characters;
      for (const hear of output.followers) hear(line);
    },
    list: () => [...running.values()].map(({ run }) => run),
    lastExit: (server) => outputs.get(server)?.lastExit,
    exits: (server) => outputs.get(server)?.exits ?? 0,
    lines: (server, count) => (count <= 0 ? [] : (outputs.get(server)?.lines.slice(-count) ?? [])),
    follow(server, hear) {
      const { followers } = outputOf(server);
      followers.add(hear);
      return () => void followers.delete(hear);
    },
    async end(server) {
      const ends = [...running.values()].filter(({ run }) => run.server === server).map(({ end }) => end());
      await Promise.all(ends);
      return ends.length;
    },
  };
}
