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
import { cannotAsk, RpcError, urlElicitations } from '#mcp/bridge/errors.ts';
import { mayAsk } from '#mcp/bridge/questions.ts';
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

/** Nobody is asked what they didn't say they could be asked (SECURITY D18). */
function guarded({ client }: Asking, ask: NonNullable<PeerEvents['ask']>): NonNullable<PeerEvents['ask']> {
  return async (method, params) => {
    if (!mayAsk(method, params, client.capabilities))
      throw new RpcError(-32601, `The client does not support ${method}`);
    const answer = await ask(method, params);
    if (!isJsonObject(answer)) throw new RpcError(-32603, 'The client did not answer');
    return answer;
  };
}

function stakeOf({ organization, view, principal }: Asking, { method, told, route }: Errand): Stake {
  return {
    org: organization.id,
    endpoint: view.endpoint.id,
    binding: route.binding.id,
    principal: principal.key,
    method,
    params: told,
  };
}
