/** Answers that come as lines while the work goes on; whoever goes away breaks it off. */
import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Following } from './actor.ts';
import type { RouteName } from './contract.ts';

export interface LineStream {
  readonly contentType: string;
  /** What a browser keeps it as; undefined: it is read as it comes. */
  readonly fileName?: string;
}

const ndjson = 'application/x-ndjson; charset=utf-8';

/** Told as it happens, where the caller says so. */
const told: ReadonlySet<RouteName> = new Set(['callAsMyself', 'followAudit', 'followPlatformAudit']);
/** Files, where the caller names a format. */
const files: Partial<Record<RouteName, string>> = {
  ...{ exportAudit: 'audit', exportPlatformAudit: 'audit', exportUsage: 'usage' },
};

/** undefined: it is answered at once, as one JSON document. */
export function streamOf(name: RouteName, { headers, query }: FastifyRequest): LineStream | undefined {
  if (told.has(name) && /\bapplication\/x-ndjson\b/i.test(headers.accept ?? '')) return { contentType: ndjson };
  const file = files[name];
  const format = typeof query === 'object' && query !== null && 'format' in query ? query.format : undefined;
  if (file === undefined || (format !== 'csv' && format !== 'jsonl')) return undefined;
  return { contentType: format === 'csv' ? 'text/csv; charset=utf-8' : ndjson, fileName: `${file}.${format}` };
}

/** Before the first line a refusal is an answer of its own. */
export async function answerInLines(
  reply: FastifyReply,
  { contentType, fileName }: LineStream,
  work: (following: Following) => Promise<unknown>,
): Promise<void> {
  const gone = new AbortController();
  const { raw } = reply;
  raw.on('close', () => gone.abort());
  const begin = () => {
    if (reply.sent) return;
    reply.hijack();
    raw.writeHead(200, {
      'content-type': contentType,
      ...(fileName !== undefined && { 'content-disposition': `attachment; filename="${fileName}"` }),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'x-accel-buffering': 'no',
    });
    raw.flushHeaders();
  };
  await work({
    signal: gone.signal,
    hear(said) {
      begin();
      if (!raw.destroyed) raw.write(`${JSON.stringify(said)}\n`);
    },
    async write(text) {
      begin();
      if (raw.destroyed || raw.write(text)) return;
      await once(raw, 'drain', { signal: gone.signal }).catch(() => undefined);
    },
  });
  if (reply.sent) raw.end();
}
