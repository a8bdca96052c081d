/**
 * Documents are read in threads of their own: one of 10 MB takes seconds, and while it does, calls go on. Each thread
 * is bounded in time and memory, and ends when it has had nothing to do for a while.
 */
import { basename } from 'node:path';
import { Worker } from 'node:worker_threads';
import { GatehouseError } from '#core/error.ts';
import type { ThreadAnswer, ThreadJob } from './openapi-thread.ts';
import type { Api } from './plan.ts';
import type { ReadDocument, Reading } from './reader.ts';

export interface OpenApiReader {
  /** A document from outside. Throws `bad_request` for one that is wrong, too slow or too large to be read. */
  read(text: string, reading: Reading): Promise<ReadDocument>;
  /** One that was read before and stored. */
  compile(text: string): Promise<Api>;
}

export interface ReaderLimits {
  /** Of one document, milliseconds. */
  readonly timeoutMs: number;
  /** Heap of a thread. */
  readonly memoryMb: number;
  /** How long a thread without work is kept, milliseconds. */
  readonly idleMs: number;
}

const usual: ReaderLimits = { timeoutMs: 20_000, memoryMb: 512, idleMs: 5000 };
/** Documents that may wait for a thread. */
const MAX_WAITING = 64;

/** Two threads, started when they are needed: whoever imports a slow document delays imports, but no server's start. */
export function openOpenApiReader(limits: Partial<ReaderLimits> = {}): OpenApiReader {
  const imports = new ReaderThread({ ...usual, ...limits });
  const stored = new ReaderThread({ ...usual, ...limits });
  return {
    async read(text, reading) {
      const answer = await imports.run({ kind: 'read', text, reading });
      return answer.kind === 'read' ? answer.document : failed(answer);
    },
    async compile(text) {
      const answer = await stored.run({ kind: 'compile', text });
      return answer.kind === 'compile' ? answer.api : failed(answer);
    },
  };
}

function failed(answer: ThreadAnswer): never {
  const { message, isWrong } = answer.kind === 'failed' ? answer : { message: answer.kind, isWrong: false };
  if (isWrong) throw new GatehouseError('bad_request', { message });
  throw new GatehouseError('internal', { cause: new Error(message) });
}

/** In a clone beside this file; the bundle has it at the root of `dist`, this file in a chunk below or in the root. */
function threadFile(): URL {
  if (import.meta.url.endsWith('.ts')) return new URL('./openapi-thread.ts', import.meta.url);
  const up = basename(import.meta.dirname) === 'chunks' ? '../' : './';
  return new URL(`${up}openapi-thread.mjs`, import.meta.url);
}

interface Waiting {
  readonly job: ThreadJob;
  readonly resolve: (answer: ThreadAnswer) => void;
  readonly reject: (reason: unknown) => void;
}

/** One job after the other. What goes wrong in the thread ends the thread and the job that it had. */
class ReaderThread {
  readonly #limits: ReaderLimits;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | undefined;
  #current: Waiting | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: ReaderLimits) {
    this.#limits = limits;
  }

  run(job: ThreadJob): Promise<ThreadAnswer> {
    if (this.#waiting.length >= MAX_WAITING) {
      throw new GatehouseError('bad_request', { message: 'Too many OpenAPI documents are being read: try again' });
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ job, resolve, reject });
      this.#next();
    });
  }

  #next(): void {
    if (this.#current) return;
    clearTimeout(this.#timer);
    this.#current = this.#waiting.shift();
    if (!this.#current) {
      this.#worker?.unref();
      this.#timer = setTimeout(() => this.#end(), this.#limits.idleMs).unref();
      return;
    }
    this.#worker ??= this.#start();
    this.#worker.ref();
    const { timeoutMs } = this.#limits;
    this.#timer = setTimeout(() => this.#fail(`takes longer than ${timeoutMs} ms to be read`), timeoutMs);
    this.#worker.postMessage(this.#current.job);
  }

  #start(): Worker {
    const worker = new Worker(threadFile(), {
      ...{ env: {}, execArgv: [], stdout: false, stderr: false },
      resourceLimits: { maxOldGenerationSizeMb: this.#limits.memoryMb },
    });
    const ended = (why: string) => {
      if (worker === this.#worker) this.#fail(why);
    };
    worker.on('message', (answer: ThreadAnswer) => {
      if (worker === this.#worker) this.#done((current) => current.resolve(answer));
    });
    worker.on('error', (error) => ended(whyEnded(error, this.#limits)));
    worker.on('exit', () => ended('could not be read'));
    return worker;
  }

  #fail(what: string): void {
    this.#end();
    this.#done(({ reject }) => reject(new GatehouseError('bad_request', { message: `The OpenAPI document ${what}` })));
  }

  #done(tell: (current: Waiting) => void): void {
    const current = this.#current;
    this.#current = undefined;
    clearTimeout(this.#timer);
    if (current) tell(current);
    this.#next();
  }

  #end(): void {
    const worker = this.#worker;
    this.#worker = undefined;
    worker?.terminate().catch(() => undefined);
  }
}

function whyEnded(error: unknown, { memoryMb }: ReaderLimits): string {
  const isMemory = error instanceof Error && 'code' in error && error.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return isMemory ? `takes more than ${memoryMb} MB of memory to be read` : 'could not be read';
}
