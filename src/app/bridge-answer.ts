import type { ServerResponse } from 'node:http';
import type { UpstreamSink } from '#adapters/upstream/upstream.ts';

interface AnswerEvents {
  readonly onHead: (headers: Readonly<Record<string, string | string[] | undefined>>) => void;
  readonly resume: () => void;
  /** Whatever the end is. */
  readonly done: () => void;
  /** Nothing of the answer is out yet, or part of it. */
  readonly fail: (thrown: unknown) => void;
}

/** A server's answer, written to a response as it comes. */
export function answerOf(res: ServerResponse, { onHead, resume, done, fail }: AnswerEvents): UpstreamSink {
  res.on('drain', resume);
  return {
    onHead(status, headers) {
      onHead(headers);
      const given = Object.entries(headers).filter(([, value]) => value !== undefined);
      res.writeHead(status, Object.fromEntries(given) as Record<string, string | string[]>);
      res.flushHeaders();
    },
    onData: (chunk) => res.write(chunk),
    onEnd() {
      done();
      res.end();
    },
    onError(error) {
      done();
      fail(error);
    },
  };
}
