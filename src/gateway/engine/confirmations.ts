/**
 * Tools that a person must agree to: asked with a form before anything goes to the server, on the stream of the call where
 * the client has one, else by `input_required`. Nothing waits here meanwhile: what was asked, of whom and about which
 * arguments is sealed in `requestState`, as is the consent while the server has questions of its own.
 */

import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject, objectIn, parseJsonObject, stringIn } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';
import type { Found } from '#gateway/catalog/find.ts';
import { checkAnswer } from '#mcp/bridge/answers.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { mayAsk, toInputRequest } from '#mcp/bridge/questions.ts';
import { visibleText } from '#mcp/shape/hidden-characters.ts';
import type { ToolShaping } from '#mcp/shape.ts';
import { wayOf } from '#records/snapshot.ts';
import type { Asking } from './asking.ts';
import { digestOf } from './request-states.ts';

export interface ToolCall {
  readonly found: Found;
  /** Params as they would go to the server: its name of the tool, all rules applied. */
  readonly sent: JsonObject;
  /** As the client said them. */
  readonly told: JsonObject;
}

export type Consent =
  | { readonly answer: JsonObject }
  | {
      /** What goes to the server. */
      readonly params: JsonObject;
      /** Keeps the consent with a result that asks for more. */
      readonly wrap: (result: JsonObject) => JsonObject;
    };

export interface Confirmations {
  /** Throws `invalid_params` for a `requestState` that is of another call, too old or used. */
  check(asking: Asking, call: ToolCall): Promise<Consent>;
}

export interface ConfirmationDeps {
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Milliseconds that a person may think. */
  readonly patienceMs: number;
}

const PREFIX = 'ghc1.';
export const CONFIRM_KEY = 'gatehouse_confirm';
const METHOD = 'elicitation/create';

const refused = (text: string): JsonObject => ({
  resultType: 'complete',
  content: [{ type: 'text', text }],
  isError: true,
});
const unasked = refused(
  'Not executed: this tool needs the consent of a person, and this client cannot ask for it (no elicitation of forms).',
);
const declined = refused('Not executed: the person did not agree to this call.');

/** Servers mark tools as destructive themselves: only those that say so, and those whose definition isn't known. */
export function needsConsent(shaping: ToolShaping | undefined, { name, definition }: Found): boolean {
  const confirm = shaping?.confirm ?? 'never';
  if (typeof confirm !== 'string') return confirm.has(name);
  if (confirm === 'never') return false;
  return definition === undefined || objectIn(definition, 'annotations')?.destructiveHint === true;
}

export function openConfirmations({ sealer, clock, patienceMs }: ConfirmationDeps): Confirmations {
  /** Answers that were taken: an agent that sends the same one again has to ask again. */
  const taken = new LRUCache<string, true>({ max: 50_000 });

  function seal(place: string, state: JsonObject): string {
    return PREFIX + sealer.seal(place, JSON.stringify({ ...state, e: clock.now() + patienceMs }));
  }

  function open(place: string, requestState: string): JsonObject {
    const text = sealer.open(place, requestState.slice(PREFIX.length));
    const state = text === undefined ? undefined : parseJsonObject(text);
    if (state && typeof state.e === 'number' && state.e > clock.now()) return state;
    throw new GatehouseError('invalid_params', { message: 'requestState is not of this request, or too old' });
  }

  function askLater(place: string, question: JsonObject): Consent {
    const state = { s: 'asked', n: randomBytes(12).toString('base64url') };
    const inputRequests = { [CONFIRM_KEY]: toInputRequest(METHOD, question) };
    return { answer: { resultType: 'input_required', inputRequests, requestState: seal(place, state) } };
  }

  function agreed(place: string, params: JsonObject): Consent {
    return {
      params,
      wrap(result) {
        if (result.resultType !== 'input_required') return result;
        const inner: JsonObject = result.requestState === undefined ? {} : { i: result.requestState };
        return { ...result, requestState: seal(place, { s: 'agreed', ...inner }) };
      },
    };
  }

  function goOn(place: string, { sent, told }: ToolCall, { requestState, question }: Later): Consent {
    const state = open(place, requestState);
    const { requestState: _state, inputResponses: _answers, ...bare } = sent;
    if (state.s === 'agreed') {
      const { inputResponses } = sent;
      const params: JsonObject = inputResponses === undefined ? bare : { ...bare, inputResponses };
      return agreed(place, state.i === undefined ? params : { ...params, requestState: state.i });
    }
    const response = objectIn(told, 'inputResponses')?.[CONFIRM_KEY];
    if (!isJsonObject(response)) return askLater(place, question);
    const { action } = checkAnswer({ method: METHOD, params: question }, response);
    const nonce = stringIn(state, 'n') ?? '';
    if (taken.has(nonce))
      throw new GatehouseError('invalid_params', { message: 'requestState was used already: call again' });
    taken.set(nonce, true);
    return action === 'accept' ? agreed(place, bare) : { answer: declined };
  }

  return {
    async check(asking, call) {
      const { found, sent, told } = call;
      const free: Consent = { params: sent, wrap: (result) => result };
      if (!needsConsent(found.part.binding.shaping, found)) return free;
      const question = questionFor(told, sent);
      if (!mayAsk(METHOD, question, asking.client.capabilities)) return { answer: unasked };
      if (asking.ask) return (await isAgreed(asking.ask, question)) ? free : { answer: declined };
      const place = placeOf(asking, call);
      const { requestState } = told;
      const isOurs = typeof requestState === 'string' && requestState.startsWith(PREFIX);
      return isOurs ? goOn(place, call, { requestState, question }) : askLater(place, question);
    },
  };
}

interface Later {
  readonly requestState: string;
  readonly question: JsonObject;
}

async function isAgreed(ask: NonNullable<Asking['ask']>, question: JsonObject): Promise<boolean> {
  try {
    const { action } = await ask(METHOD, question);
    return action === 'accept';
  } catch (thrown) {
    // The client has no answer, so nobody agreed.
    if (thrown instanceof RpcError) return false;
    throw thrown;
  }
}

/** All of the arguments, as they would be sent: characters that hide are written out. */
function questionFor(told: JsonObject, sent: JsonObject): JsonObject {
  const name = visibleText(stringIn(told, 'name') ?? '');
  const args: Json = sent.arguments ?? {};
  const message = `Do you agree to this call of the tool ${name}?\n\n${visibleText(JSON.stringify(args, null, 2))}`;
  return { mode: 'form', message, requestedSchema: { type: 'object', properties: {} } };
}

/** Injective: JSON of strings. */
function placeOf({ organization, view, principal }: Asking, { found, sent, told }: ToolCall): string {
  const outgoing = digestOf({ name: sent.name ?? null, arguments: sent.arguments ?? null });
  const whose = [organization.id, view.endpoint.id, principal.key, wayOf(found.part.binding)];
  return JSON.stringify(['confirm', ...whose, digestOf(told), outgoing]);
}
