/** The owner's side of a hop: lets in what another replica signed for this very process, runs it, streams the answer. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '#core/json.ts';
import type { Log } from '#core/log.ts';
import type { Sealer } from '#core/sealer.ts';
import { type Every, systemEvery } from '#db/notified-change-feed.ts';
import { readBody } from '#http/body.ts';
import { openNonces } from './nonces.ts';
import {
  digestOf,
  type ErrorCodec,
  errorFrame,
  type Frame,
  HOP_PATH,
  type HopHead,
  type HopKeys,
  MAX_BODY_BYTES,
  MAX_SKEW_MS,
  placeOf,
  readHead,
} from './wire.ts';

export interface HopContext {
  /** Aborted when who asked has hung up, and when this replica closes. */
  readonly signal: AbortSignal;
  /** Reaches who asked before the result does, in this order. Nothing happens once they hung up. */
  readonly emit: (event: JsonObject) => void;
}

export type HopHandler = (body: JsonObject, context: HopContext) => Promise<JsonObject>;

/** Throws `unknown_method` where nothing handles it: another version of the gateway may ask. */
export type HopDispatch = (kind: string, body: JsonObject, context: HopContext) => Promise<JsonObject>;

export interface OwnerDeps {
  readonly id: string;
  readonly keys: HopKeys;
  readonly dispatch: HopDispatch;
  readonly clock: Clock;
  readonly log: Log;
  readonly errors?: ErrorCodec;
  readonly every?: Every;
  /** Milliseconds between two signs of life in an answer; 5 s unless told. */
  readonly aliveMs?: number;
}

export interface Owner {
  readonly handle: (req: IncomingMessage, res: ServerResponse) => void;
  /** Ends what runs, with `owner_gone`. */
  close(): void;
}

const MAX_NONCES = 200_000;

export function openOwner(deps: OwnerDeps): Owner {
  const { id, keys, clock, log } = deps;
  // One signed up to MAX_SKEW_MS ahead of our clock is young for twice that.
  const nonces = openNonces({ clock, keepMs: 2 * MAX_SKEW_MS, max: MAX_NONCES });
  const running = new Set<AbortController>();

  /** undefined: let in. Refusals have no body: they tell a stranger nothing. */
  const refusal = (head: HopHead | undefined): number | undefined => {
    if (!head) return 401;
    const skewMs = clock.now() - head.at;
    if (Math.abs(skewMs) > MAX_SKEW_MS) {
      log.warn({ skewMs }, 'another replica has a different time: a request of it was refused');
      return 401;
    }
    const taken = nonces.take(`${head.target} ${head.nonce}`);
    if (taken === 'full') return 503;
    if (!taken) {
      log.warn({}, 'a request of another replica came a second time and was refused');
      return 401;
    }
    if (head.target !== id) return 410;
    return head.length > MAX_BODY_BYTES ? 413 : undefined;
  };

  const run = async (head: HopHead, body: Buffer, res: ServerResponse) => {
    const sealers = keys.sealers(head);
    const plain = digestOf(body) === head.digest ? sealers.request.open('request', body.toString('latin1')) : undefined;
    if (plain === undefined) return refuse(res, 401);
    const controller = new AbortController();
    running.add(controller);
    res.once('close', () => controller.abort(new GatehouseError('bad_request', { message: 'Who asked has hung up' })));
    const answer = openAnswer(res, { sealer: sealers.answer, controller });
    const stop = (deps.every ?? systemEvery)(deps.aliveMs ?? 5_000, () => answer.write({ alive: true }));
    try {
      const { kind, body: said } = parseJsonObject(plain);
      if (typeof kind !== 'string' || !isJsonObject(said)) throw new GatehouseError('invalid_request');
      const context = { signal: controller.signal, emit: (event: JsonObject) => answer.write({ event }) };
      answer.end({ result: await untilAborted(deps.dispatch(kind, said, context), controller.signal) });
    } catch (error) {
      log.debug({ err: error }, 'what another replica asked for failed');
      answer.end(errorFrame(error, deps.errors));
    } finally {
      stop();
      running.delete(controller);
    }
  };

  return {
    handle(req, res) {
      if (req.method !== 'POST' || req.url !== HOP_PATH) return refuse(res, 404);
      const head = readHead(req.headers, keys);
      const status = refusal(head);
      if (!head || status !== undefined) return refuse(res, status ?? 401);
      readBody(req, head.length, {
        done: (body) => {
          run(head, body, res).catch((error: unknown) => {
            log.error({ err: error }, 'another replica could not be answered');
            res.destroy();
          });
        },
        fail: () => refuse(res, 400),
      });
    },
    close() {
      for (const controller of running) controller.abort(new GatehouseError('owner_gone'));
    },
  };
}

/** What doesn't listen to its signal doesn't keep the answer waiting. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function refuse(res: ServerResponse, status: number): void {
  res.writeHead(status, { 'content-length': '0', connection: 'close' }).end();
}

interface Answer {
  write(frame: Frame): void;
  end(frame: Frame): void;
}

function openAnswer(
  res: ServerResponse,
  { sealer, controller }: { readonly sealer: Sealer; readonly controller: AbortController },
): Answer {
  let index = 0;
  const lineOf = (frame: Frame): string => `${sealer.seal(placeOf(index++), JSON.stringify(frame))}\n`;
  const cut = (error: GatehouseError) => {
    controller.abort(error);
    res.destroy();
  };
  // At once: who asked then knows that the owner lives.
  res.writeHead(200, { 'content-type': 'application/octet-stream' }).flushHeaders();
  return {
    write(frame) {
      if (res.writableEnded || res.destroyed) return;
      const line = lineOf(frame);
      if (line.length > MAX_BODY_BYTES || res.writableLength + line.length > 2 * MAX_BODY_BYTES)
        return cut(
          new GatehouseError('too_large', { message: 'Another replica reads too slowly, or is told too much' }),
        );
      res.write(line);
    },
    end(frame) {
      if (res.writableEnded || res.destroyed) return;
      const line = lineOf(frame);
      if (line.length <= MAX_BODY_BYTES) res.end(line);
      else res.end(lineOfTooLarge());
    },
  };

  function lineOfTooLarge(): string {
    index--;
    return lineOf(errorFrame(new GatehouseError('too_large', { message: 'The answer is too large to be handed on' })));
  }
}
