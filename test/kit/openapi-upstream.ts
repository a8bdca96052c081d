/** An OpenAPI document as an upstream of its own, without a gateway. */
import { openOpenApiUpstream } from '#adapters/upstream/index.ts';
import { compileApi } from '#adapters/upstream/openapi/compile.ts';
import { parseDocument } from '#adapters/upstream/openapi/document.ts';
import type { UpstreamCall } from '#adapters/upstream/upstream.ts';
import { argumentChecker } from '#gateway/catalog/meta/wrong-call.ts';
import { drive, toolCall } from './drive.ts';

export function openApiUpstream(document: object | string, url?: string) {
  const text = typeof document === 'string' ? document : JSON.stringify(document);
  let reads = 0;
  const upstream = openOpenApiUpstream({
    server: 'rest',
    transport: { kind: 'openapi', document: '0'.repeat(64), ...(url === undefined ? {} : { url }) },
    findApi: async () => {
      reads++;
      return compileApi(parseDocument(text));
    },
    readSchema: argumentChecker,
    ...{ connections: 8, queue: 8, connectTimeoutMs: 1000, maxAnswerBytes: 64 * 1024 },
  });
  return {
    upstream,
    reads: () => reads,
    async ask(message: Partial<UpstreamCall>, more: Partial<UpstreamCall> = {}) {
      const outcome = await drive(upstream, { ...message, ...more }).done;
      const answer: Answered = outcome.messages[0] === undefined ? {} : JSON.parse(outcome.messages[0]);
      return { ...outcome, ...answer };
    },
    /** The result of a tool. */
    async call(name: string, args: object = {}, more: Partial<UpstreamCall> = {}) {
      const { result, error, status } = await this.ask(toolCall(1, name, args), more);
      if (!result) throw error ?? new Error(`status ${status}`);
      return result;
    },
  };
}

interface Answered {
  readonly result?: Result;
  readonly error?: Error;
}

interface Result {
  readonly content: readonly {
    readonly type: string;
    readonly text: string;
    readonly data?: string;
    readonly resource?: object;
  }[];
  readonly isError?: boolean;
  readonly structuredContent?: unknown;
  readonly tools: readonly Tool[];
  readonly nextCursor?: string;
  readonly _meta?: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

interface Tool {
  readonly name: string;
  readonly description: string;
  readonly inputSchema: {
    readonly properties: Readonly<Record<string, object>>;
    readonly required?: readonly string[];
  };
  readonly outputSchema?: object;
  readonly annotations?: object;
}
