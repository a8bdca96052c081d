/** The asking side of a hop: one request to the owner's own listener. Never sent twice: the owner may have acted. */
import { Agent, type Dispatcher, request } from 'undici';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { JsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import {
  digestOf,
  type ErrorCodec,
  errorOf,
  type Frame,
  HOP_PATH,
  type HopKeys,
  headersOf,
  MAX_BODY_BYTES,
  newNonce,
  parseFrame,
  placeOf,
} from './wire.ts';

export interface HopCall {
  readonly target: string;
  /** Origin, from the directory. */
  readonly url: string;
  readonly kind: string;
  readonly body: JsonObject;
  readonly signal: AbortSignal;
  readonly onEvent: (event: JsonObject) => void;
}

export interface HopOptions {
  readonly keys: HopKeys;
  readonly clock: Clock;
  readonly log: Log;
  readonly errors?: ErrorCodec;
  /** Milliseconds without a sign of life after which an owner counts as dead; 15 s unless told. */
  readonly silenceMs?: number;
}

export interface Hop {
  /** Throws what the owner threw, `owner_gone`, `owner_unreachable`, `too_large`; the signal's reason when aborted. */
  call(call: HopCall): Promise<JsonObject>;
  close(): Promise<void>;
}

const CONNECT_MS = 2000;

export function openHop(options: HopOptions): Hop {
  const silenceMs = options.silenceMs ?? 15_000;
  // A parked call holds its connection, so their number is that of parked calls, which is limited where they are made.
  const agent = new Agent({
    connect: { timeout: CONNECT_MS },
    connections: null,
    headersTimeout: silenceMs,
    bodyTimeout: silenceMs,
  });
  return {
    async call(call) {
      const { keys, clock } = options;
      const nonce = newNonce();
      const sealers = keys.sealers({ target: call.target, nonce });
      const body = sealers.request.seal('request', JSON.stringify({ kind: call.kind, body: call.body }));
      if (body.length > MAX_BODY_BYTES) throw new GatehouseError('too_large');
      const head = { target: call.target, at: clock.now(), nonce, digest: digestOf(body), length: body.length };
      try {
        const response = await request(new URL(HOP_PATH, call.url), {
          method: 'POST',
          headers: headersOf(head, keys),
          body,
          signal: call.signal,
          dispatcher: agent,
        });
        if (response.statusCode !== 200) return await refused(response, { call, log: options.log });
        return await readAnswer(response.body, { call, sealer: sealers.answer, errors: options.errors });
      } catch (error) {
        if (call.signal.aborted) throw call.signal.reason;
        if (error instanceof OwnersError) throw error.cause;
        if (error instanceof GatehouseError) throw error;
        throw new GatehouseError('owner_unreachable', { cause: error });
      }
    },
    close: () => agent.destroy(),
  };
}

/** What the owner said, kept apart from what went wrong on the way. */
class OwnersError extends Error {}

async function refused(
  { statusCode, body }: Dispatcher.ResponseData,
  { call, log }: { readonly call: HopCall; readonly log: Log },
): Promise<never> {
  await body.dump();
  // Another process has its address by now.
  if (statusCode === 410) throw new GatehouseError('owner_gone');
  if (statusCode === 401) {
    log.error(
      { url: call.url },
      'another replica refused a request: ENCRYPTION_KEY must be the same on all replicas, and their clocks within 30 s',
    );
  }
  throw new GatehouseError('owner_unreachable', { cause: new Error(`the owner answered ${statusCode}`) });
}

interface Reading {
  readonly call: HopCall;
  readonly sealer: Sealer;
  readonly errors: ErrorCodec | undefined;
}

async function readAnswer(body: AsyncIterable<Buffer>, { call, sealer, errors }: Reading): Promise<JsonObject> {
  let index = 0;
  for await (const line of linesOf(body)) {
    const frame = open(sealer.open(placeOf(index++), line));
    if ('result' in frame) return frame.result;
    if ('error' in frame) throw new OwnersError('', { cause: errorOf(frame.error, errors) });
    if ('event' in frame) call.onEvent(frame.event);
  }
  throw new GatehouseError('owner_unreachable', { cause: new Error('the answer broke off') });
}

function open(plain: string | undefined): Frame {
  if (plain === undefined) throw new Error('a line of the answer was not sealed for its place');
  return parseFrame(plain);
}

/** Sealed lines are base64url, so bytes are characters. */
async function* linesOf(body: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let parts: string[] = [];
  let length = 0;
  for await (const chunk of body) {
    const [first = '', ...more] = chunk.toString('latin1').split('\n');
    parts.push(first);
    length += first.length;
    for (const next of more) {
      yield parts.join('');
      parts = [next];
      length = next.length;
    }
    if (length > MAX_BODY_BYTES) throw new Error('a line of the answer is too long');
  }
}
