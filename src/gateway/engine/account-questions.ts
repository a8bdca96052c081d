/**
 * Servers that are used with the caller's own account: who has none is sent to the page that links one, by the client's
 * own means where it has any (URL elicitation), else by a sentence with the address. Nothing waits here meanwhile, and
 * nothing was sent: what was said with the request so far is sealed in `requestState`.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import type { Sealer } from '#core/sealer.ts';
import { holderOf } from '#gateway/peers/link.ts';
import { cannotAsk, RpcError, rpcCodes } from '#mcp/bridge/errors.ts';
import { mayAsk, toInputRequest } from '#mcp/bridge/questions.ts';
import { isOfCaller } from '#records/snapshot.ts';
import type { AccountNeeded, UpstreamAccounts } from '#records/upstream-accounts.ts';
import type { Asking } from './asking.ts';
import type { Conversations, Errand } from './conversations.ts';
import { placeOf } from './request-states.ts';

export interface AccountQuestionDeps {
  readonly accounts: UpstreamAccounts;
  readonly sealer: Sealer;
  readonly clock: Clock;
  /** Milliseconds that a person may take. */
  readonly patienceMs: number;
}

export const ACCOUNT_KEY = 'gatehouse_account';
const PREFIX = 'gha1.';
const METHOD = 'elicitation/create';

export function askingForAccounts(conversations: Conversations, deps: AccountQuestionDeps): Conversations {
  const { accounts, sealer, clock, patienceMs } = deps;

  function seal(place: string, { requestState, inputResponses }: JsonObject): string {
    const until = clock.now() + patienceMs;
    return PREFIX + sealer.seal(place, JSON.stringify({ requestState, inputResponses, until }));
  }

  /** As the request was before the person was asked. Throws `invalid_params`. */
  function reopen(place: string, params: JsonObject): JsonObject {
    const { requestState, inputResponses: _ours, ...bare } = params;
    const text = sealer.open(place, String(requestState).slice(PREFIX.length));
    const { until, ...before } = text === undefined ? { until: 0 } : parseJsonObject(text);
    if (typeof until === 'number' && until > clock.now()) return { ...bare, ...before };
    throw new GatehouseError('invalid_params', {
      message: 'requestState is not of this request, or too old: call again',
    });
  }

  function ask(asking: Asking, errand: Errand, error: GatehouseError): JsonObject {
    const { url } = neededOf(error);
    const question = { mode: 'url', url: url ?? '', message: error.message };
    const isAskable = url !== undefined && mayAsk(METHOD, question, asking.client.capabilities);
    if (isAskable && asking.era === 'modern') {
      const inputRequests = { [ACCOUNT_KEY]: toInputRequest(METHOD, question) };
      const requestState = seal(placeFor(asking, errand), errand.params);
      return { resultType: 'input_required', inputRequests, requestState };
    }
    if (isAskable && asking.version >= '2025-11-25') {
      const elicitations = [{ ...question, elicitationId: randomUUID() }];
      throw new RpcError(rpcCodes.urlElicitationRequired, error.message, { elicitations });
    }
    return told(errand.method, error.message);
  }

  return {
    async hold(asking, errand) {
      if (!isOfCaller(errand.route.binding)) return conversations.hold(asking, errand);
      const holder = holderOf(errand.route);
      const { requestState, inputResponses } = errand.params;
      let asked = errand;
      if (typeof requestState === 'string' && requestState.startsWith(PREFIX)) {
        asked = { ...errand, params: reopen(placeFor(asking, errand), errand.params) };
        if (!isAgreed(inputResponses))
          return told(errand.method, 'The account was not connected: the person declined.');
        // That they opened the page says nothing of what they did there.
        await accounts.awaitLinked(holder, asking.signal);
      }
      try {
        await accounts.open(holder);
        return await conversations.hold(asking, asked);
      } catch (thrown) {
        if (!(thrown instanceof GatehouseError) || thrown.code !== 'account_required') throw thrown;
        return ask(asking, asked, thrown);
      }
    },
  };
}

const isAgreed = (responses: unknown): boolean => {
  const answer = isJsonObject(responses) ? objectIn(responses, ACCOUNT_KEY) : undefined;
  return answer?.action === 'accept';
};

/** A tool says it in its result, where a model reads it. */
function told(method: string, text: string): JsonObject {
  const answer = cannotAsk(method, text);
  if ('error' in answer) throw answer.error;
  return { ...answer.result, resultType: 'complete' };
}

function neededOf({ data }: GatehouseError): Pick<AccountNeeded, 'url'> {
  const url = isJsonObject(data) ? data.url : undefined;
  return { url: typeof url === 'string' ? url : undefined };
}

function placeFor({ organization, view, principal }: Asking, { method, told: params, route }: Errand): string {
  return placeOf('account', {
    org: organization.id,
    endpoint: view.endpoint.id,
    binding: route.binding.id,
    principal: principal.key,
    method,
    params,
  });
}
