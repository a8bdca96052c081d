/** One container from its creation to its removal: its stdin and stdout as lines, and the steps by which it ends. */
import type { Duplex } from 'node:stream';
import { asGatehouseError } from '#core/error.ts';
import type { Log } from '#core/log.ts';
import type { Child, ChildExit, ChildTimes } from '#runner/child.ts';
import { type LineReader, lineReader } from '#runner/lines.ts';
import type { StderrSink } from '#runner/stderr.ts';
import type { Engine } from './engine.ts';
import { EngineError } from './engine-http.ts';
import { frameReader } from './frames.ts';

export interface ContainerEvents {
  /** One line of standard output without its end. */
  onLine(line: Buffer): void;
  /** Of a container that listens: where its port is on the host, as `http://127.0.0.1:…`. Once, before it may answer. */
  onListening?(origin: string): void;
  /** Once. No line follows it. */
  onExit(exit: ChildExit): void;
}

/** What is created, ready to go. */
export interface Prepared {
  readonly engine: Engine;
  readonly name: string;
  readonly body: object;
  readonly stderr: StderrSink;
  /** Where it listens inside; undefined: it speaks over stdin and stdout. */
  readonly port: number | undefined;
}

export interface ContainerChildParts {
  readonly prepare: () => Promise<Prepared>;
  readonly events: ContainerEvents;
  readonly times: ChildTimes;
  readonly maxLineBytes: number;
  readonly log: Log;
  readonly onStarted: (started: {
    readonly engine: Engine;
    readonly id: string;
    readonly origin: string | undefined;
  }) => void;
  /** The container is removed, or its removal failed. */
  readonly onGone: (exit: ChildExit) => void;
}

const SIGKILLED = 137;
const SETTLE_MS = 200;
const END = Buffer.from('\n');
/** It was asked to end while it was still being made. */
class Unwanted extends Error {}

export class ContainerChild implements Omit<Child, 'connect'> {
  readonly #parts: ContainerChildParts;
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #waiting: ((exit: ChildExit) => void)[] = [];
  #prepared: Prepared | undefined;
  #id: string | undefined;
  #pid: number | undefined;
  #stream: Duplex | undefined;
  #queue: Buffer[] = [];
  #queued = 0;
  #starting = true;
  #reason: string | undefined;
  #killed = false;
  #exit: ChildExit | undefined;
  #gone = false;
  #settling = false;

  constructor(parts: ContainerChildParts) {
    this.#parts = parts;
    this.#start().catch((thrown: unknown) => this.#fail(thrown));
  }

  /** undefined until it runs. */
  get pid(): number | undefined {
    return this.#pid;
  }

  get pendingBytes(): number {
    return this.#queued + (this.#stream?.writableLength ?? 0);
  }

  write(line: Buffer): boolean {
    if (this.#exit || this.#reason !== undefined) return false;
    if (!this.#stream || this.#starting) {
      this.#queue.push(line);
      this.#queued += line.length;
      return true;
    }
    if (!this.#stream.writable) return false;
    this.#stream.cork();
    this.#stream.write(line);
    const free = this.#stream.write(END);
    this.#stream.uncork();
    return free;
  }

  stop(): Promise<ChildExit> {
    return new Promise((resolve) => {
      if (this.#exit && this.#gone) return resolve(this.#exit);
      this.#waiting.push(resolve);
      if (this.#reason !== undefined || this.#exit) return;
      this.#reason = 'stopped';
      if (this.#starting) return;
      const { closeGraceMs } = this.#parts.times;
      // A container that listens has no stdin whose end would tell it anything.
      const graceMs = this.#prepared?.port === undefined ? closeGraceMs : 0;
      this.#stream?.end();
      this.#later(graceMs, () => void this.#terminate());
    });
  }

  kill(reason: string): void {
    this.#killed = true;
    this.#reason ??= reason;
    if (!this.#starting) void this.#terminate();
  }

  async #start(): Promise<void> {
    const { prepare, onStarted, events } = this.#parts;
    const prepared = await prepare();
    this.#prepared = prepared;
    const { engine, port } = prepared;
    this.#checkWanted();
    const id = await engine.create(prepared.name, prepared.body);
    this.#id = id;
    this.#checkWanted();
    const stream = await engine.attach(id, { stdin: port === undefined });
    this.#listen(stream, prepared);
    this.#checkWanted();
    await engine.start(id);
    const state = await engine.inspect(id);
    const hostPort = port === undefined ? undefined : state?.published.get(port);
    if (port !== undefined && state?.running && hostPort === undefined) {
      throw new EngineError('the container engine published no port for the container');
    }
    this.#checkWanted();
    this.#pid = state?.pid ?? 0;
    this.#starting = false;
    const origin = hostPort === undefined ? undefined : `http://127.0.0.1:${hostPort}`;
    if (this.#exit) return;
    onStarted({ engine, id, origin });
    for (const line of this.#queue.splice(0)) this.write(line);
    this.#queued = 0;
    if (origin !== undefined) events.onListening?.(origin);
    // It may have ended before anybody listened to its end.
    if (stream.destroyed || stream.readableEnded) this.#onStreamEnd();
  }

  #checkWanted(): void {
    if (this.#reason !== undefined) throw new Unwanted();
  }

  #listen(stream: Duplex, { stderr, port }: Prepared): void {
    this.#stream = stream;
    const lines: LineReader = lineReader(this.#parts.maxLineBytes, {
      onLine: (line) => {
        if (!this.#killed && !this.#exit) this.#parts.events.onLine(line);
      },
      onTooLong: () => this.kill('flood'),
    });
    const frames = frameReader({
      // What a server that listens prints is its log.
      onStdout: (part) => (port === undefined ? lines.push(part) : stderr.push(part)),
      onStderr: (part) => stderr.push(part),
      onBroken: () => this.kill('broken stream'),
    });
    stream.on('data', (chunk: Buffer) => {
      if (!this.#exit) frames.push(chunk);
    });
    stream.on('error', () => {});
    stream.on('close', () => this.#onStreamEnd());
    stream.on('end', () => this.#onStreamEnd());
  }

  /** The container has ended, or the engine let go of it. */
  #onStreamEnd(): void {
    if (this.#starting || this.#exit || this.#settling) return;
    this.#settling = true;
    this.#settle().catch((thrown: unknown) => this.#fail(thrown));
  }

  async #settle(isSecond = false): Promise<void> {
    const id = this.#id;
    const state = id === undefined ? undefined : await this.#prepared?.engine.inspect(id);
    if (this.#exit) return;
    if (state?.running && !isSecond) {
      // Engines may know of its end a little later than whoever is attached.
      this.#later(SETTLE_MS, () => void this.#settle(true).catch((thrown: unknown) => this.#fail(thrown)));
      return;
    }
    if (state?.running && this.#reason === undefined) {
      this.kill('the engine let go of it');
      return;
    }
    // Its time to end by itself isn't over.
    if (state?.running) return;
    if (state?.outOfMemory) this.#reason ??= 'out of memory';
    // Podman does not always know why; nobody else kills it.
    else if (state?.exitCode === SIGKILLED) this.#reason ??= 'killed, probably out of memory';
    this.#finish(state?.exitCode ?? null);
  }

  /** Signals, then whatever is left is removed by force. */
  async #terminate(): Promise<void> {
    const { engine } = this.#prepared ?? {};
    const id = this.#id;
    if (this.#exit || !engine || id === undefined) return;
    try {
      if (this.#killed) await engine.kill(id);
      else await engine.stop(id, Math.ceil(this.#parts.times.termGraceMs / 1000));
      const state = await engine.inspect(id);
      this.#finish(state && !state.running ? state.exitCode : null);
    } catch (thrown) {
      this.#parts.log.warn({ err: thrown, container: id }, 'the container engine did not end a container');
      this.#finish(null);
    }
  }

  #fail(thrown: unknown): void {
    this.#starting = false;
    if (!(thrown instanceof Unwanted)) {
      this.#parts.log.error({ err: thrown }, 'a container could not be run');
      this.#reason ??= 'unspawned';
    }
    this.#finish(null, thrown instanceof EngineError ? thrown.message : asGatehouseError(thrown).message);
  }

  #finish(code: number | null, text?: string): void {
    if (this.#exit) return;
    for (const timer of this.#timers) clearTimeout(timer);
    const stderr = this.#prepared?.stderr.tail() || (text ?? '');
    const exit = { code, signal: null, reason: this.#reason ?? 'exited', stderr };
    this.#exit = exit;
    this.#queue = [];
    this.#queued = 0;
    this.#stream?.destroy();
    this.#parts.events.onExit(exit);
    void this.#remove().finally(() => {
      this.#gone = true;
      this.#parts.onGone(exit);
      for (const resolve of this.#waiting) resolve(exit);
    });
  }

  async #remove(): Promise<void> {
    const id = this.#id;
    if (id === undefined) return;
    try {
      await this.#prepared?.engine.remove(id);
    } catch (thrown) {
      this.#parts.log.warn({ err: thrown, container: id }, 'a container could not be removed: the reaper tries again');
    }
  }

  #later(ms: number, run: () => void): void {
    this.#timers.add(setTimeout(run, ms));
  }
}
