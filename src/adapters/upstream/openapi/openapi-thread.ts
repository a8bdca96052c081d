/** The thread in which documents are read and compiled: started by `reader-threads.ts`, bundled as a file of its own. */
import { parentPort } from 'node:worker_threads';
import { asGatehouseError } from '#core/error.ts';
import { compileApi } from './compile.ts';
import { parseDocument } from './document.ts';
import type { Api } from './plan.ts';
import { type ReadDocument, type Reading, readDocument } from './reader.ts';

export type ThreadJob =
  | { readonly kind: 'read'; readonly text: string; readonly reading: Reading }
  | { readonly kind: 'compile'; readonly text: string };

export type ThreadAnswer =
  | { readonly kind: 'read'; readonly document: ReadDocument }
  | { readonly kind: 'compile'; readonly api: Api }
  /** `isWrong`: the document is, and `message` says how. */
  | { readonly kind: 'failed'; readonly isWrong: boolean; readonly message: string };

function answerTo(job: ThreadJob): ThreadAnswer {
  try {
    if (job.kind === 'read') return { kind: 'read', document: readDocument(job.text, job.reading) };
    return { kind: 'compile', api: compileApi(parseDocument(job.text)) };
  } catch (thrown) {
    const { code, message, cause } = asGatehouseError(thrown);
    if (code === 'bad_request') return { kind: 'failed', isWrong: true, message };
    return { kind: 'failed', isWrong: false, message: cause instanceof Error ? String(cause.stack) : message };
  }
}

parentPort?.on('message', (job: ThreadJob) => parentPort?.postMessage(answerTo(job)));
