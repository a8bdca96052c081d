/**
 * Calls that wait for a modern client: a legacy server asked something in the middle of one, the client was told
 * `input_required` and comes back with the answers. The call stays where it is and goes on; it is never carried out again.
 * What the client holds is sealed: whose call it is, which request, until when, and on which replica it waits.
 */
import { randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, parseJsonObject } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { toInputRequest } from '#mcp/bridge/questions.ts';
import { placeOf, type Stake } from './request-states.ts';

export interface Listening {
  readonly notify: (method: string, params: JsonObject) => void;
  readonly signal: AbortSignal;
}

export type Ask = (method: string, params: JsonObject) => Promise<JsonObject>;
type Work = (ask: Ask, listening: Listening) => Promise<JsonObject>;

export interface Parked {
  /** Starts the work and waits for its end, or for its questions: then the result is `input_required`. */
  run(stake: Stake, listening: Listening, work: Work): Promise<JsonObject>;
  /** Where the state leads; undefined: it is none of these, forged, another's or too old. */
  find(stake: Stake, requestState: string): Ticket | undefined;
  /** Goes on with the answers. Throws `invalid_params` where the call is no longer there. */
  resume(ticket: Ticket, responses: JsonObject, listening: Listening): Promise<JsonObject>;
  readonly size: number;
  close(): void;
}

export interface Ticket {
  readonly replica: string;
  readonly id: string;
  /** Counts the rounds: an old state is not taken twice. */
  readonly turn: number;
}

export interface ParkedDeps {
  readonly sealer: Sealer;
  readonly clock: Clock;
  readonly replica: string;
  /** Milliseconds that a client may think. */
  readonly patienceMs: number;
  readonly perPrincipal: number;
  readonly perOrganization: number;
  readonly max: number;
}

interface Question {
  readonly method: string;
  readonly params: JsonObject;
  readonly resolve: (result: JsonObject) => void;
  readonly reject: (error: unknown) => void;
}

class ParkedCall {
  readonly id = randomBytes(18).toString('base64url');
  readonly questions = new Map<string, Question>();
  readonly abort = new AbortController();
  turn = 0;
  asked = 0;
  listening: Listening | undefined;
  timer: NodeJS.Timeout | undefined;
  outcome: Promise<JsonObject> | undefined;
  /** It ended while nobody listened: what came of it waits for whoever asks. */
  isOver = false;
  /** Resolves with the next question. */
  question = Promise.withResolvers<void>();
  readonly stake: Stake;

  constructor(stake: Stake) {
    this.stake = stake;
  }
}

/** Results above this are not kept for somebody who may never come. */
const MAX_KEPT_CHARACTERS = 262_144;

/** Nobody notices it before a question. */
const GATHER_MS = 20;

const gone = () =>
  new GatehouseError('invalid_params', { message: 'The call that requestState belongs to is over: call again' });

export function openParked(deps: ParkedDeps): Parked {
  const { sealer, clock } = deps;
  const calls = new Map<string, ParkedCall>();
  /** By principal and by organization. */
  const counts = new Map<string, number>();
  const countOf = (kind: 'principal' | 'org', { stake }: ParkedCall) => counts.get(`${kind} ${stake[kind]}`) ?? 0;

  function count(call: ParkedCall, by: 1 | -1): void {
    for (const kind of ['principal', 'org'] as const) {
      const now = countOf(kind, call) + by;
      const key = `${kind} ${call.stake[kind]}`;
      if (now === 0) counts.delete(key);
      else counts.set(key, now);
    }
  }

  const isFull = (call: ParkedCall) =>
    calls.size >= deps.max ||
    countOf('principal', call) >= deps.perPrincipal ||
    countOf('org', call) >= deps.perOrganization;

  function askerOf(call: ParkedCall): Ask {
    return (method, params) =>
      new Promise((resolve, reject) => {
        if (!calls.has(call.id)) {
          if (isFull(call)) return reject(new RpcError(-32603, 'Too many calls wait for answers'));
          calls.set(call.id, call);
          count(call, 1);
        }
        call.questions.set(`q${++call.asked}`, { method, params, resolve, reject });
        call.question.resolve();
      });
  }

  function end(call: ParkedCall): void {
    clearTimeout(call.timer);
    if (calls.delete(call.id)) count(call, -1);
    for (const { reject } of call.questions.values()) reject(new RpcError(-32603, 'The call is over'));
    call.questions.clear();
  }

  /**
   * A server may go on without the answer. What it did then is done: it is told to who comes back, so that nobody has a
   * reason to call again.
   */
  function settle(call: ParkedCall, result: JsonObject | undefined): void {
    const isKept =
      calls.has(call.id) && !call.listening && JSON.stringify(result ?? null).length <= MAX_KEPT_CHARACTERS;
    if (!isKept) {
      end(call);
      return;
    }
    call.isOver = true;
    for (const { reject } of call.questions.values()) reject(new RpcError(-32603, 'The call is over'));
    call.questions.clear();
  }

  /** Until it ends, or asks something; while nobody listens it waits. */
  async function next(call: ParkedCall, listening: Listening): Promise<JsonObject> {
    const { outcome } = call;
    if (!outcome) throw gone();
    call.listening = listening;
    clearTimeout(call.timer);
    // One that was answered before anybody listened is no news.
    if (call.questions.size === 0) call.question = Promise.withResolvers();
    const leave = () => call.abort.abort(listening.signal.reason);
    if (listening.signal.aborted) leave();
    listening.signal.addEventListener('abort', leave, { once: true });
    try {
      await Promise.race([outcome, call.question.promise]);
      if (call.questions.size === 0) return await outcome;
      // Servers that ask several things ask them at once, in messages of their own: one round for all of them.
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      // It may have ended by itself meanwhile.
      return call.questions.size === 0 ? await outcome : wait(call);
    } finally {
      listening.signal.removeEventListener('abort', leave);
      if (call.listening === listening) call.listening = undefined;
    }
  }

  function wait(call: ParkedCall): JsonObject {
    call.question = Promise.withResolvers();
    call.turn++;
    call.timer = setTimeout(() => {
      call.abort.abort(new GatehouseError('upstream_timeout', { message: 'Nobody answered in time' }));
      end(call);
    }, deps.patienceMs).unref();
    const inputRequests = Object.fromEntries(
      [...call.questions].map(([key, { method, params }]) => [key, toInputRequest(method, params)]),
    );
    const state = { r: deps.replica, p: call.id, t: call.turn, e: clock.now() + deps.patienceMs };
    return {
      resultType: 'input_required',
      inputRequests,
      requestState: PREFIX + sealer.seal(placeOf('parked', call.stake), JSON.stringify(state)),
    };
  }

  return {
    async run(stake, listening, work) {
      const call = new ParkedCall(stake);
      const inside: Listening = {
        notify: (method, params) => call.listening?.notify(method, params),
        signal: call.abort.signal,
      };
      call.outcome = work(askerOf(call), inside);
      // Whoever listens hears of it; while nobody does it must not count as unhandled.
      call.outcome.then(
        (result) => settle(call, result),
        () => settle(call, undefined),
      );
      return next(call, listening);
    },
    find(stake, requestState) {
      if (!requestState.startsWith(PREFIX)) return undefined;
      const text = sealer.open(placeOf('parked', stake), requestState.slice(PREFIX.length));
      if (text === undefined) return undefined;
      const { r, p, t, e } = parseJsonObject(text);
      if (
        typeof r !== 'string' ||
        typeof p !== 'string' ||
        typeof t !== 'number' ||
        typeof e !== 'number' ||
        e <= clock.now()
      )
        return undefined;
      return { replica: r, id: p, turn: t };
    },
    async resume({ id, turn }, responses, listening) {
      const call = calls.get(id);
      if (!call || call.turn !== turn || call.listening) throw gone();
      if (call.isOver && call.outcome) {
        end(call);
        return call.outcome;
      }
      for (const [key, question] of [...call.questions]) {
        const response = responses[key];
        if (!isJsonObject(response)) continue;
        call.questions.delete(key);
        try {
          question.resolve(checkAnswer({ method: question.method, params: question.params }, response));
        } catch (thrown) {
          call.questions.set(key, question);
          throw thrown;
        }
      }
      // What was not answered is asked again.
      if (call.questions.size > 0) {
        clearTimeout(call.timer);
        return wait(call);
      }
      return next(call, listening);
    },
    get size() {
      return calls.size;
    },
    close() {
      for (const call of calls.values()) {
        call.abort.abort(new GatehouseError('shutting_down'));
        end(call);
      }
    },
  };
}

const PREFIX = 'gh1.';

export const isParkedState = (requestState: unknown): requestState is string =>
  typeof requestState === 'string' && requestState.startsWith(PREFIX);
