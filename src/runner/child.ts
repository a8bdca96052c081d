/** One running child: its pipes, and the steps by which it is ended. */
import { connect as connectSocket, type Socket } from 'node:net';
import type { RunningProcess } from './launch.ts';
import { lineReader } from './lines.ts';
import { isTakenByOthers } from './port-owner.ts';
import type { StderrSink } from './stderr.ts';

export interface ChildExit {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why: `exited` by itself, `stopped` by us, `killed` for a reason given to `kill`, `unspawned` (no such program …). */
  readonly reason: 'exited' | 'stopped' | 'unspawned' | 'flood' | (string & {});
  /** Last bytes of standard error, redacted. For the log, never for the wire. */
  readonly stderr: string;
}

export interface ChildEvents {
  /** One line of standard output without its end. The buffer is the receiver's. */
  onLine(line: Buffer): void;
  /** Once. No line follows it. */
  onExit(exit: ChildExit): void;
}

export interface Child {
  /** undefined: it could not be started, `onExit` follows. */
  readonly pid: number | undefined;
  /** Bytes written that the child has not read: the measure for backpressure. */
  readonly pendingBytes: number;
  /** Writes one line; the line end is added. Returns false when the pipe is full (it is written nevertheless). */
  write(line: Buffer): boolean;
  /** Closes stdin, after a grace SIGTERM, after another SIGKILL, each to the whole process group. */
  stop(): Promise<ChildExit>;
  /** SIGKILL to the whole process group at once. */
  kill(reason: string): void;
  /** To a port of its loopback where it listens. Rejects when nothing does, when somebody else does, or after `timeoutMs`. */
  connect(port: number, timeoutMs: number): Promise<Socket>;
}

export interface ChildTimes {
  /** Between closing stdin and SIGTERM. */
  readonly closeGraceMs: number;
  /** Between SIGTERM and SIGKILL. */
  readonly termGraceMs: number;
}

interface ChildParts {
  readonly process: RunningProcess;
  readonly stderr: StderrSink;
  readonly maxLineBytes: number;
  readonly times: ChildTimes;
  readonly events: ChildEvents;
  /** The process and its group are gone. */
  readonly onGone: (exit: ChildExit) => void;
  /** Left out: its loopback is this machine's. */
  readonly connect?: Child['connect'];
}

const END = Buffer.from('\n');
/** A grandchild outside the group may hold the pipes open: after the exit we wait no longer than this for their end. */
const DRAIN_MS = 300;

export function watchChild(parts: ChildParts): Child {
  const { process: child, stderr, events, times } = parts;
  const timers = new Set<NodeJS.Timeout>();
  const waiting: ((exit: ChildExit) => void)[] = [];
  let reason: string | undefined;
  let killed = false;
  let ended: ChildExit | undefined;

  function later(ms: number, run: () => void): void {
    timers.add(setTimeout(run, ms));
  }

  function finish(code: number | null, signal: string | null): void {
    if (ended) return;
    for (const timer of timers) clearTimeout(timer);
    ended = { code, signal, reason: reason ?? 'exited', stderr: stderr.tail() };
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    parts.onGone(ended);
    events.onExit(ended);
    for (const resolve of waiting) resolve(ended);
  }

  function kill(why: string): void {
    killed = true;
    reason ??= why;
    signalGroup(child.pid, 'SIGKILL');
  }

  const lines = lineReader(parts.maxLineBytes, {
    onLine(line) {
      // What a killed child still had in the pipe is of no interest.
      if (!killed) events.onLine(line);
    },
    onTooLong: () => kill('flood'),
  });
  child.stdout.on('data', (chunk: Buffer) => {
    if (!ended) lines.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {});
  child.on('error', () => {
    reason ??= 'unspawned';
    if (child.pid === undefined) setImmediate(finish, null, null);
  });
  child.on('exit', (code, signal) => {
    signalGroup(child.pid, 'SIGKILL');
    later(DRAIN_MS, () => finish(code, signal));
  });
  child.on('close', finish);

  return {
    pid: child.pid,
    get pendingBytes() {
      return child.stdin.writableLength;
    },
    write(line) {
      if (ended || !child.stdin.writable) return false;
      child.stdin.cork();
      child.stdin.write(line);
      const free = child.stdin.write(END);
      child.stdin.uncork();
      return free;
    },
    stop() {
      return new Promise((resolve) => {
        if (ended) return resolve(ended);
        waiting.push(resolve);
        if (reason !== undefined) return;
        reason = 'stopped';
        child.stdin.end();
        later(times.closeGraceMs, () => {
          signalGroup(child.pid, 'SIGTERM');
          later(times.termGraceMs, () => signalGroup(child.pid, 'SIGKILL'));
        });
      });
    },
    kill,
    connect: parts.connect ?? ((port, timeoutMs) => connectToOwn(child.pid, port, timeoutMs)),
  };
}

async function connectToOwn(pid: number | undefined, port: number, timeoutMs: number): Promise<Socket> {
  const socket = await connectLocally(port, timeoutMs);
  if (pid === undefined || !isTakenByOthers(port, pid)) return socket;
  socket.destroy();
  throw new Error('another program listens there');
}

function connectLocally(port: number, timeoutMs: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host: '127.0.0.1', port, noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), timeoutMs);
    const fail = (error: Error) => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

/** To the whole group (the child leads one); to nobody when it is gone. */
function signalGroup(pid: number | undefined, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (pid === undefined) return;
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // ESRCH: the group is empty, which is what we want.
  }
}
