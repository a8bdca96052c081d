/** Calls without end until told to stop, remembering which of them were answered. */
import { Agent, request } from 'undici';
import { call } from '#kit/http-client.ts';

export interface Load {
  /** `X-Request-Id` of every answer that arrived whole with status 200. */
  readonly answered: ReadonlySet<string>;
  /** Attempts that ended without a whole answer. */
  readonly broken: () => number;
  /** Statuses of whole answers other than 200. */
  readonly refused: readonly number[];
  /** Lets what is in flight end. */
  stop(): Promise<void>;
}

export function startLoad(url: string, headers: Readonly<Record<string, string>>, concurrency: number): Load {
  const agent = new Agent({ connections: concurrency, pipelining: 1 });
  const answered = new Set<string>();
  const refused: number[] = [];
  let broken = 0;
  let stopping = false;
  let id = 0;

  async function one(): Promise<void> {
    const answer = await request(url, {
      dispatcher: agent,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      },
      body: JSON.stringify(call('echo', { n: id }, id++)),
    });
    await answer.body.text();
    const requestId = answer.headers['x-request-id'];
    if (answer.statusCode === 200 && typeof requestId === 'string') answered.add(requestId);
    else refused.push(answer.statusCode);
  }

  async function worker(): Promise<void> {
    while (!stopping) {
      await one().catch(async () => {
        broken++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      });
    }
  }

  const workers = Promise.all(Array.from({ length: concurrency }, worker));
  return {
    answered,
    refused,
    broken: () => broken,
    async stop() {
      stopping = true;
      await workers;
      await agent.close();
    },
  };
}
