/** One request to one server, questions included: asked at once where the client can be, else by `input_required`. */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import type { Found } from '#gateway/catalog/find.ts';
import { changedKinds } from '#gateway/catalog/items.ts';
import type { Lists } from '#gateway/catalog/lists.ts';
import type { Route } from '#gateway/peers/link.ts';
import type { PeerEvents, PeerRequest } from '#gateway/peers/peer.ts';
import type { Peers } from '#gateway/peers/peers.ts';
import type { Replicas } from '#gateway/replicas/replicas.ts';
import { RpcError, urlElicitations } from '#mcp/bridge/errors.ts';
import { mayAsk } from '#mcp/bridge/questions.ts';
import type { Asking } from './asking.ts';
import { eventFromServer } from './mapping.ts';
import { type Ask, isParkedState, type Listening, type Parked, type Stake, type Ticket } from './parked.ts';

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
  /** They hear what a server says of them in the middle of a call. */
  readonly lists: Pick<Lists, 'invalidate'>;
  readonly replicas: Pick<Replicas, 'id' | 'call'>;
}

export const RESUME = 'parked.resume';

export function openConversations({ peers, parked, replicas, lists }: ConversationDeps): Conversations {
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
        if (!ticket)
          throw new GatehouseError('invalid_params', { message: 'requestState is not of this request, or too old' });
        const responses = objectIn(errand.params, 'inputResponses') ?? {};
        if (ticket.replica === replicas.id) return parked.resume(ticket, responses, listening);
        return resumeThere(ticket, responses, listening);
      }
      const request: PeerRequest = {
        method,
        params: errand.params,
        client: asking.client,
        lane: asking.lane,
        tool: found.definition,
        task: errand.task,
      };
      const peer = await peers.find(route);
      if (asking.ask) return peer.request(route, request, { ...listening, ask: guarded(asking, asking.ask) });
      if (peer.era === 'modern') return peer.request(route, request, { ...listening, ask: undefined });
      try {
        const work = (ask: Ask, inside: Listening) =>
          peer.request(route, request, { ...inside, ask: guarded(asking, ask) });
        return await parked.run(stake, listening, work);
      } catch (thrown) {
        const asked = thrown instanceof RpcError ? urlElicitations(thrown) : undefined;
        if (!asked) throw thrown;
        return asked;
      }
    },
  };
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

function stakeOf({ organization, view, principal }: Asking, { method, told }: Errand): Stake {
  return { org: organization.id, endpoint: view.endpoint.id, principal: principal.key, method, params: told };
}
