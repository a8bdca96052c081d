import { GatehouseError } from '#core/error.ts';
import type { ClientRequest } from './exchange.ts';

/** Reads a whole request body of at most `limit` bytes; exactly one of `done` and `fail` is called, once. */
export function readBody(
  req: ClientRequest,
  limit: number,
  { done, fail }: { readonly done: (body: Buffer) => void; readonly fail: (error: GatehouseError) => void },
): void {
  // Who hung up while the caller was identified is not heard of again.
  if (req.destroyed && !req.readableEnded) {
    fail(new GatehouseError('bad_request', { message: 'The request body broke off' }));
    return;
  }
  let first: Buffer | undefined;
  let more: Buffer[] | undefined;
  let length = 0;
  let over = false;
  const finish = (error?: GatehouseError, body?: Buffer) => {
    if (over) return;
    over = true;
    if (body) done(body);
    else fail(error ?? new GatehouseError('bad_request', { message: 'The request body broke off' }));
  };
  const tooLarge = () => new GatehouseError('too_large', { message: `Request body is larger than ${limit} bytes` });
  if (Number(req.headers['content-length'] ?? 0) > limit) finish(tooLarge());
  req.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (over) drain(req, length - limit);
    else if (length > limit) finish(tooLarge());
    else if (!first) first = chunk;
    else {
      more ??= [first];
      more.push(chunk);
    }
  });
  req.on('end', () => finish(undefined, more ? Buffer.concat(more) : (first ?? Buffer.alloc(0))));
  req.on('error', () => finish());
  req.on('close', () => finish());
}

/** What may still come after a refusal: closing at once would reset the connection before the caller has read why. */
const DRAIN_BYTES = 1_048_576;

function drain(req: ClientRequest, surplus: number): void {
  if (surplus > DRAIN_BYTES) req.socket.destroy();
}
