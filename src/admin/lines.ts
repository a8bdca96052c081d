/** Answers that come as lines of JSON while the work goes on; whoever goes away breaks it off. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Following } from './actor.ts';

export const wantsLines = ({ headers }: FastifyRequest): boolean =>
  /\bapplication\/x-ndjson\b/i.test(headers.accept ?? '');

/** Before the first line a refusal is an answer of its own. */
export async function answerInLines(
  reply: FastifyReply,
  work: (following: Following) => Promise<unknown>,
): Promise<void> {
  const gone = new AbortController();
  const { raw } = reply;
  raw.on('close', () => gone.abort());
  await work({
    signal: gone.signal,
    hear(said) {
      if (!reply.sent) {
        reply.hijack();
        raw.writeHead(200, {
          'content-type': 'application/x-ndjson; charset=utf-8',
          'cache-control': 'no-store',
          'x-content-type-options': 'nosniff',
          'cross-origin-resource-policy': 'same-origin',
          'x-accel-buffering': 'no',
        });
      }
      if (!raw.destroyed) raw.write(`${JSON.stringify(said)}\n`);
    },
  });
  if (reply.sent) raw.end();
}
