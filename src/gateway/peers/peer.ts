/**
 * One upstream server as the gateway's client of it, in whichever era it speaks. Requests and results are canonical: those
 * of revision 2026-07-28 without the protocol's own part of `_meta`.
 */
import type { JsonObject } from '#core/json.ts';
import type { Era } from '#mcp/versions.ts';
import type { Route } from './link.ts';

/** What the client said of itself, as far as it goes upstream. */
export interface ClientFacts {
  readonly capabilities: JsonObject;
  readonly info: JsonObject | undefined;
  /** Undefined: it wants no log messages. */
  readonly logLevel: string | undefined;
}

/**
 * The gateway asking for itself. Lists are the same for all clients, so they are asked for as one that can answer: servers
 * offer some tools to such only, and who can't be asked hears it from the tool.
 */
export const asGateway: ClientFacts = {
  capabilities: { extensions: {}, elicitation: { form: {}, url: {} }, sampling: {} },
  info: { name: 'gatehouse', version: '1' },
  logLevel: undefined,
};

export interface PeerRequest {
  readonly method: string;
  readonly params: JsonObject;
  readonly client: ClientFacts;
  /** Sessions with a legacy server are never shared across lanes: one per session of a legacy client, else ''. */
  readonly lane: string;
  /** The tool's definition, for what its schema says of headers. */
  readonly tool?: JsonObject | undefined;
  /**
   * Of a tool call. `create`: the answer may be a task where the server is asked for one (legacy). `wait`: whoever called
   * can hold no task, so a server that insists on one is asked for it and waited for.
   */
  readonly task?: 'create' | 'wait' | undefined;
}

export interface PeerEvents {
  readonly signal: AbortSignal;
  /** What belongs to this request: progress (without token), log messages, and what else the server says meanwhile. */
  readonly notify: (method: string, params: JsonObject) => void;
  /**
   * A question of the server to the person: elicitation/create, sampling/createMessage, roots/list. Rejects with RpcError.
   * Undefined: a modern server's `input_required` is the result, a legacy one is told that nobody can be asked.
   */
  readonly ask: ((method: string, params: JsonObject) => Promise<JsonObject>) | undefined;
}

export interface ListenFilter {
  readonly toolsListChanged?: boolean;
  readonly promptsListChanged?: boolean;
  readonly resourcesListChanged?: boolean;
  readonly resourceSubscriptions?: readonly string[];
  readonly taskIds?: readonly string[];
}

export interface Listening {
  readonly filter: ListenFilter;
  readonly client: ClientFacts;
  readonly lane: string;
}

/** `refused`: the server has no such stream, and is not to be asked again for a long while. */
export type ListenEnd = 'ended' | 'refused';

export interface Peer {
  readonly era: Era;
  /** Rejects with RpcError (the server's answer), WireError or GatehouseError (no answer), or the signal's reason. */
  request(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject>;
  /**
   * Hears what the server says unasked until the signal ends it, or the server does. `started`: from now on nothing is
   * missed.
   */
  listen(
    route: Route,
    wanted: Listening & { readonly started: () => void },
    events: Pick<PeerEvents, 'signal' | 'notify'>,
  ): Promise<ListenEnd>;
  /** Another filter for a stream that has started. Undefined: that takes another stream. */
  readonly adjust?: (route: Route, before: ListenFilter, wanted: Listening) => Promise<void>;
  /** Nobody listens in this lane any more. */
  readonly leave?: (route: Route, wanted: Listening) => void;
}

/** Requests that may be sent again when it isn't known whether they arrived (SECURITY 3.4). */
export const safeMethods: ReadonlySet<string> = new Set([
  ...['server/discover', 'initialize', 'ping', 'tools/list', 'prompts/list', 'resources/list'],
  ...['resources/templates/list', 'completion/complete', 'resources/read', 'prompts/get', 'tasks/get', 'skills/list'],
]);
