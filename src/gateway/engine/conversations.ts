/** One request to one server, questions included: asked at once where the client can be, else by `input_required`. */

import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Found } from '#gateway/catalog/find.ts';
import { changedKinds } from '#gateway/catalog/items.ts';
import type { Lists } from '#gateway/catalog/lists.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { PeerEvents, PeerRequest } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import { cannotAsk, RpcError, rpcCodes, urlElicitations } from '#mcp/bridge/errors.ts';
import { isQuestion, mayAsk, requiredCapabilities } from '#mcp/bridge/questions.ts';
import { wayOf } from '#records/snapshot.ts';
import type { Asking } from './asking.ts';
import { eventFromServer } from './mapping.ts';
import { type Ask, isParkedState, type Listening, type Parked, type Ticket } from './parked.ts';
import type { Carried, RequestStates, Stake } from './request-states.ts';

export interface Errand {
  readonly found: Found;
  readonly route: Route;
  readonly method: string;
  readonly params: JsonObject;
  readonly told: JsonObject;
  readonly task?: PeerRequest['task'];
}

export interface Conversations {
  hold(asking: Asking, errand: Errand): Promise<JsonObject>;
}

export interface ConversationDeps {
  readonly peers: Peers;
  readonly parked: Parked;
  readonly states: RequestStates;
  /** They hear what a server says of them in the middle of a call. */
  readonly lists: Pick<Lists, 'invalidate'>;
  readonly replicas: Pick<Replicas, 'id' | 'call'>;
}

export const RESUME = 'parked.resume';

export function openConversations({ peers, parked, states, replicas, lists }: ConversationDeps): Conversations {
  /** On the replica where the call waits. */
  function resumeThere({ replica, id, turn }: Ticket, responses: JsonObject, { notify, signal }: Listening) {
    const body = { replica, id, turn, responses };
    const onEvent = (event: JsonObject) => notify(String(event.method), objectIn(event, 'params') ?? {});
    return replicas.call(replica, { kind: RESUME, body }, { signal, onEvent });
  }

  return {
    async hold(asking, errand) {
      const { found, route, method } = errand;
      const { requestState } = errand.params;
      const stake = stakeOf(asking, errand);
      const notify = (name: string, params: JsonObject) => {
        for (const kind of changedKinds(name)) lists.invalidate(route, kind);
        const mapped = eventFromServer(name, params, found.part);
        asking.notify(mapped.method, mapped.params);
      };
      const listening = { notify, signal: asking.signal };
      if (isParkedState(requestState)) {
        const ticket = parked.find(stake, requestState);
        if (!ticket) throw foreign();
        const responses = objectIn(errand.params, 'inputResponses') ?? {};
        if (ticket.replica === replicas.id) return parked.resume(ticket, responses, listening);
        return resumeThere(ticket, responses, listening);
      }
      const peer = await peers.find(route);
      const carried = typeof requestState === 'string' ? states.open(stake, requestState) : undefined;
      // Without a state that is right this would be another execution of what was asked already.
      if (requestState !== undefined && !carried) throw foreign();
      if (peer.era === 'legacy' && !carried && errand.params.inputResponses !== undefined) throw foreign();
      const refused = carried?.kind === 'again' ? refusedBy(method, errand.params) : undefined;
      if (refused) return refused;
      const request: PeerRequest = {
        method,
        params: paramsFor(errand.params, carried),
        client: asking.client,
        lane: asking.lane,
        tool: found.definition,
        task: errand.task,
      };
      if (asking.ask) return peer.request(route, request, { ...listening, ask: guarded(asking, asking.ask) });
      if (peer.era === 'modern') {
        const result = await peer.request(route, request, { ...listening, ask: undefined });
        checkQuestions(asking, result);
        const state = result.resultType === 'input_required' ? stringIn(result, 'requestState') : undefined;
        return state === undefined
          ? result
          : { ...result, requestState: states.seal(stake, { kind: 'server', state }) };
      }
      try {
        const work = (ask: Ask, inside: Listening) =>
          peer.request(route, request, { ...inside, ask: guarded(asking, ask) });
        return await parked.run(stake, listening, work);
      } catch (thrown) {
        const asked = thrown instanceof RpcError ? urlElicitations(thrown) : undefined;
        if (!asked || !mayAsk('elicitation/create', { mode: 'url' }, asking.client.capabilities)) throw thrown;
        return { ...asked, requestState: states.seal(stake, { kind: 'again' }) };
      }
    },
  };
}

const foreign = () =>
  new GatehouseError('invalid_params', { message: 'requestState is not of this request, or too old: call again' });

/** As the server said it; an answer to a question of the gateway's own stays here. */
function paramsFor(params: JsonObject, carried: Carried | undefined): JsonObject {
  const { requestState: _sealed, inputResponses, ...rest } = params;
  if (carried?.kind === 'again' || inputResponses === undefined) {
    return carried?.kind === 'server' ? { ...rest, requestState: carried.state } : rest;
  }
  return { ...rest, inputResponses, ...(carried ? { requestState: carried.state } : {}) };
}

/** Whoever won't open the address would be asked for ever. */
function refusedBy(method: string, { inputResponses }: JsonObject): JsonObject | undefined {
  const responses = Object.values(isJsonObject(inputResponses) ? inputResponses : {});
  if (responses.length > 0 && responses.every((one) => isJsonObject(one) && one.action === 'accept')) return undefined;
  const told = cannotAsk(method, 'The person did not agree to open the address that this needs.');
  if ('error' in told) throw told.error;
  return { ...told.result, resultType: 'complete' };
}

/** Of one call, at one time: what waits for answers is held in memory. */
const MAX_QUESTIONS = 16;
const MAX_QUESTION_CHARACTERS = 1_048_576;

/** Nobody is asked what they didn't say they could be asked (SECURITY D18), nor without end. */
function guarded({ client }: Asking, ask: NonNullable<PeerEvents['ask']>): NonNullable<PeerEvents['ask']> {
  let open = 0;
  let characters = 0;
  return async (method, params) => {
    if (!mayAsk(method, params, client.capabilities))
      throw new RpcError(-32601, `The client does not support ${method.slice(0, 100)}`);
    const { length } = JSON.stringify(params);
    if (open >= MAX_QUESTIONS || characters + length > MAX_QUESTION_CHARACTERS)
      throw new RpcError(-32603, 'Too much is asked at once');
    open++;
    characters += length;
    try {
      const answer = await ask(method, params);
      if (!isJsonObject(answer)) throw new RpcError(-32603, 'The client did not answer');
      return answer;
    } finally {
      open--;
      characters -= length;
    }
  };
}

/** The same for questions that come as a result. Throws RpcError -32021, or `upstream_broken` for what is no question. */
function checkQuestions({ client }: Asking, result: JsonObject): void {
  if (result.resultType !== 'input_required') return;
  const questions = Object.values(objectIn(result, 'inputRequests') ?? {});
  if (questions.length > MAX_QUESTIONS) throw new GatehouseError('upstream_broken');
  for (const question of questions) {
    const method = isJsonObject(question) ? question.method : undefined;
    if (!isJsonObject(question) || typeof method !== 'string' || !isQuestion(method))
      throw new GatehouseError('upstream_broken');
    const params = objectIn(question, 'params');
    if (mayAsk(method, params, client.capabilities)) continue;
    const data = { requiredCapabilities: requiredCapabilities(method, params) };
    throw new RpcError(rpcCodes.missingCapability, `The client does not support ${method}`, data);
  }
}

function stakeOf({ organization, view, principal }: Asking, { method, told, route }: Errand): Stake {
  return {
    org: organization.id,
    endpoint: view.endpoint.id,
    binding: wayOf(route.binding),
    principal: principal.key,
    method,
    params: told,
  };
}
