/**
 * With a full disk PGlite can also spin for ever inside WebAssembly: then no timer of this thread runs, no request is
 * answered, no signal handled. A second thread sees that a statement doesn't end, says why, and ends the process;
 * acknowledged rows survive that, and a supervisor may start it again.
 */
import { Worker } from 'node:worker_threads';

export interface BlockGuard {
  /** A statement begins; the returned function says that it ended, or that the thread is seen to be alive. */
  enter(): () => void;
  close(): Promise<void>;
}

const tickMs = 500;
const lastWords =
  'gatehouse: the embedded database does not answer any more (is the disk full?), so this process ends itself\n';

const guardThread = `
  const { workerData: { shared, tickMs, limitMs, lastWords } } = require('node:worker_threads');
  const state = new Int32Array(shared);
  let seen = 0;
  let ticks = 0;
  setInterval(() => {
    const running = Atomics.load(state, 0);
    ticks = running !== 0 && running === seen ? ticks + 1 : 0;
    seen = running;
    if (ticks * tickMs < limitMs) return;
    require('node:fs').writeSync(2, lastWords);
    process.kill(process.pid, 'SIGKILL');
  }, tickMs);`;

/** `limitMs`: a statement during which this thread is blocked for as long ends the process. Counted in ticks: a machine that sleeps does not count. */
export function openBlockGuard(limitMs: number): BlockGuard {
  const shared = new SharedArrayBuffer(4);
  const state = new Int32Array(shared);
  const workerData = { shared, tickMs, limitMs, lastWords };
  // The process's own flags may not suit a script given as text.
  const worker = new Worker(guardThread, { eval: true, execArgv: [], workerData });
  // A guard that fails must not be what ends the process.
  worker.on('error', () => undefined).unref();
  let last = 0;
  return {
    enter() {
      last = (last % 0x7fffffff) + 1;
      const own = last;
      Atomics.store(state, 0, own);
      return () => {
        Atomics.compareExchange(state, 0, own, 0);
      };
    },
    async close() {
      await worker.terminate();
    },
  };
}
