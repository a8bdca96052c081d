/** Questions of servers that a legacy client was asked on the stream of its own request, until its answer comes by another. */
import { randomBytes } from 'node:crypto';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import type { Reply } from './reply.ts';

export interface Questions {
  /** Rejects with RpcError: the client's error, or nobody can be asked; with the signal's reason once the call is over. */
  ask(
    asked: { readonly lane: string; readonly reply: Reply; readonly signal: AbortSignal },
    method: string,
    params: JsonObject,
  ): Promise<JsonObject>;
  /** The client's answer. False: nobody here asked that in this session. */
  answer(lane: string, message: JsonObject): boolean;
  /** Which replica asked; undefined: no question of ours. */
  ownerOf(id: string): string | undefined;
  readonly size: number;
}

interface Question {
  readonly lane: string;
  readonly resolve: (result: JsonObject) => void;
  readonly reject: (error: unknown) => void;
}

/** One round of question and answer: people read slowly. */
const ANSWER_MS = 600_000;
const MAX_OPEN = 10_000;

export function openQuestions({ replica }: { readonly replica: string }): Questions {
  const open = new Map<string, Question>();

  return {
    ask({ lane, reply, signal }, method, params) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason);
        if (open.size >= MAX_OPEN) return reject(new GatehouseError('too_many_calls', { retryAfterSeconds: 5 }));
        const id = `${replica}.${randomBytes(12).toString('base64url')}`;
        const settle = () => {
          clearTimeout(timer);
          signal.removeEventListener('abort', stop);
          open.delete(id);
        };
        const stop = () => {
          settle();
          reject(signal.reason);
        };
        const timer = setTimeout(() => {
          settle();
          reply.event({
            jsonrpc: '2.0',
            method: 'notifications/cancelled',
            params: { requestId: id, reason: 'No answer in time' },
          });
          reject(new RpcError(-32603, 'The client did not answer in time'));
        }, ANSWER_MS).unref();
        open.set(id, {
          lane,
          resolve: (result) => {
            settle();
            resolve(result);
          },
          reject: (error) => {
            settle();
            reject(error);
          },
        });
        signal.addEventListener('abort', stop, { once: true });
        if (reply.event({ jsonrpc: '2.0', id, method, params })) return;
        settle();
        reject(new RpcError(-32601, 'The client cannot be asked: it takes no events'));
      });
    },
    answer(lane, message) {
      const id = stringIn(message, 'id');
      const question = id === undefined ? undefined : open.get(id);
      if (!question || question.lane !== lane) return false;
      const error = objectIn(message, 'error');
      const result = objectIn(message, 'result');
      if (result) question.resolve(result);
      else
        question.reject(
          new RpcError(Number(error?.code) || -32603, stringIn(error, 'message') ?? 'The client refused', error?.data),
        );
      return true;
    },
    ownerOf: (id) => /^([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]{16}$/.exec(id)?.[1],
    get size() {
      return open.size;
    },
  };
}
