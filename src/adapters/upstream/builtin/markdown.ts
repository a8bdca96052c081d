/**
 * HTML to Markdown in a thread of its own: the parser's time grows with the square of the nesting, so a small hostile
 * page would hold the whole process for seconds.
 */
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';

export interface MarkdownConverter {
  /** undefined: it takes too long, too much memory, or too many others are waiting. */
  convert(html: string): Promise<string | undefined>;
}

const TIMEOUT_MS = 3000;
const MAX_RUNNING = 2;
const MAX_WAITING = 32;

/** A string, not a file: it runs from a clone and from a bundle alike, as long as turndown is installed beside it. */
const program = `
const { parentPort, workerData } = require('node:worker_threads');
const Turndown = require(workerData.turndownPath);
const turndown = new Turndown({ headingStyle: 'atx', codeBlockStyle: 'fenced', bulletListMarker: '-' });
turndown.remove(['script', 'style', 'noscript', 'iframe', 'template', 'form', 'button', 'nav', 'footer', 'head', 'title']);
parentPort.postMessage(turndown.turndown(workerData.html).replace(/\\n{3,}/g, '\\n\\n').trim());
`;

export function openMarkdownConverter(timeoutMs = TIMEOUT_MS): MarkdownConverter {
  let running = 0;
  const waiting: (() => void)[] = [];
  return {
    async convert(html) {
      if (running >= MAX_RUNNING) {
        if (waiting.length >= MAX_WAITING) return undefined;
        await new Promise<void>((resolve) => waiting.push(resolve));
      }
      running++;
      try {
        return await convertOnce(html, timeoutMs);
      } finally {
        running--;
        waiting.shift()?.();
      }
    },
  };
}

function convertOnce(html: string, timeoutMs: number): Promise<string | undefined> {
  const turndownPath = createRequire(import.meta.url).resolve('turndown');
  return new Promise((resolve) => {
    const worker = new Worker(program, {
      eval: true,
      workerData: { html, turndownPath },
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 192 },
    });
    const timer = setTimeout(() => finish(undefined), timeoutMs);
    const finish = (markdown: string | undefined) => {
      clearTimeout(timer);
      resolve(markdown);
      worker.terminate().catch(() => {});
    };
    worker.once('message', (message: unknown) => finish(typeof message === 'string' ? message : undefined));
    worker.once('error', () => finish(undefined));
    worker.once('exit', () => finish(undefined));
  });
}
