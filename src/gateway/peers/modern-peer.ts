/** A server of the modern era: every request stands alone (MCP 2026-07-28, streamable HTTP). */
import { GatehouseError } from '#core/error.ts';
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { withEnvelope } from '#mcp/bridge/envelope.ts';
import { parseRpcError, RpcError } from '#mcp/bridge/errors.ts';
import { mirrorHeaders } from '#mcp/bridge/mirror-headers.ts';
import { withoutSubscriptionId } from '#mcp/bridge/notifications.ts';
import { withTasks } from '#mcp/bridge/tasks.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import type { Link, Route } from './link.ts';
import { type ClientFacts, type Peer, type PeerEvents, type PeerRequest, safeMethods } from './peer.ts';
import { needsTasks, waitForTask } from './task-wait.ts';
import { WireError } from './wire.ts';

/** As the official SDK: a server that never stops asking is stopped. */
const MAX_ROUNDS = 8;
const MAX_QUESTIONS = 64;

/** The server refuses to be spoken to in this era, and has done nothing of what it was asked. */
export class EraRefused extends Error {
  /** What to say where it speaks no other era either. */
  readonly error: RpcError | GatehouseError;

  constructor(error: RpcError | GatehouseError) {
    super(error.message, { cause: error });
    this.error = error;
  }
}

export function openModernPeer({ link }: { readonly link: Link }): Peer {
  let count = 0;

  async function once(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const { method, client } = request;
    const id = ++count;
    const token = `p${id}`;
    let answer: JsonObject | undefined;
    let status = 0;
    const message = {
      jsonrpc: '2.0',
      id,
      method,
      params: withEnvelope(request.params, { version: MODERN_VERSION, ...envelopeOf(client), progressToken: token }),
    };
    const answered = await link.send(
      route,
      { method: 'POST', era: 'modern', message, headers: headersFor(request) },
      {
        signal: events.signal,
        onHead(code) {
          status = code;
        },
        onMessage(received) {
          if (typeof received.method === 'string') hear(received, token, events);
          else if (isAnswerTo(received, id, status)) answer ??= received;
        },
      },
    );
    return modernResultOf(answer, answered.status);
  }

  async function patiently(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const startedAt = performance.now();
    try {
      return await once(route, request, events);
    } catch (thrown) {
      if (!(thrown instanceof WireError) || !mayRepeat(request, thrown)) throw thrown;
      const waiting = { spentMs: performance.now() - startedAt, signal: events.signal };
      if (!(await link.awaitRepeat(route, request.method, waiting))) throw thrown;
      return once(route, request, events);
    }
  }

  async function conversation(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    let params = request.params;
    for (let round = 0; ; round++) {
      const result = await patiently(route, { ...request, params }, events);
      if (result.resultType !== 'input_required' || !events.ask) return result;
      if (round === MAX_ROUNDS)
        throw new GatehouseError('upstream_broken', { cause: new Error('too many rounds of questions') });
      const inputResponses = await askAll(objectIn(result, 'inputRequests') ?? {}, events.ask);
      const { requestState } = result;
      const { inputResponses: _old, requestState: _state, ...rest } = params;
      params = { ...rest, inputResponses, ...(requestState === undefined ? {} : { requestState }) };
    }
  }

  /** The result of a task that whoever called knows nothing of. */
  async function taken(route: Route, request: PeerRequest, events: PeerEvents): Promise<JsonObject> {
    const { taskId = null } = request.params;
    const tell = (method: string, more: JsonObject, signal: AbortSignal) =>
      patiently(route, { ...request, method, params: { taskId, ...more } }, { ...events, signal });
    // It may be cut while it waits: then nobody is there to take the result.
    const cancel = () => void tell('tasks/cancel', {}, AbortSignal.timeout(10_000)).catch(() => undefined);
    events.signal.addEventListener('abort', cancel, { once: true });
    try {
      const details = await waitForTask({
        ...events,
        get: () => tell('tasks/get', {}, events.signal),
        update: (inputResponses) => tell('tasks/update', { inputResponses }, events.signal),
      });
      const result = details.status === 'completed' ? objectIn(details, 'result') : undefined;
      if (result) return { ...result, resultType: 'complete' };
      throw parseRpcError(details.error ?? { code: -32603, message: `The task is ${String(details.status)}` });
    } finally {
      events.signal.removeEventListener('abort', cancel);
    }
  }

  return {
    era: 'modern',
    async request(route, request, events) {
      try {
        return await conversation(route, request, events);
      } catch (thrown) {
        // It was refused, not carried out.
        if (request.task !== 'wait' || !needsTasks(thrown)) throw thrown;
      }
      const client = { ...request.client, capabilities: withTasks(request.client.capabilities) };
      const result = await conversation(route, { ...request, client }, events);
      return result.resultType === 'task' ? taken(route, { ...request, client, params: result }, events) : result;
    },
    async listen(route, { filter, client, started }, events) {
      const id = ++count;
      const params = withEnvelope({ notifications: { ...filter } }, { version: MODERN_VERSION, ...envelopeOf(client) });
      let refused: JsonObject | undefined;
      const answered = await link.send(
        route,
        {
          method: 'POST',
          era: 'modern',
          message: { jsonrpc: '2.0', id, method: 'subscriptions/listen', params },
          headers: headersFor({ method: 'subscriptions/listen', params: {}, client, lane: '' }),
        },
        {
          signal: events.signal,
          onMessage(received) {
            if (received.method === 'notifications/subscriptions/acknowledged') started();
            else if (typeof received.method === 'string')
              events.notify(received.method, withoutSubscriptionId(objectIn(received, 'params') ?? {}));
            else if (received.error) refused = received;
          },
        },
      );
      if (objectIn(refused, 'error')?.code === -32601 || answered.status === 405) return 'refused';
      if (refused || answered.status >= 400) modernResultOf(refused, answered.status);
      return 'ended';
    },
  };
}

function envelopeOf({ capabilities, info, logLevel }: ClientFacts) {
  return { capabilities, clientInfo: info, logLevel };
}

function headersFor({ method, params, tool }: PeerRequest): Record<string, string> {
  return { 'mcp-protocol-version': MODERN_VERSION, ...mirrorHeaders(method, params, tool) };
}

/** Whether it may be sent anew: it didn't arrive, or doing it twice is doing it once. */
export function mayRepeat({ method, params }: PeerRequest, { error, sent }: WireError): boolean {
  if (error.code !== 'upstream_broken' && error.code !== 'upstream_unreachable') return false;
  return !sent || (safeMethods.has(method) && params.requestState === undefined && params.inputResponses === undefined);
}

/** A refusal may come under no id, or under one of the server's own. */
export const isAnswerTo = ({ id, error }: JsonObject, asked: number, status: number): boolean =>
  id === asked || (error !== undefined && (id === null || id === undefined || status >= 400));

function hear(received: JsonObject, token: Json, { notify }: PeerEvents): void {
  const params = objectIn(received, 'params') ?? {};
  const { progressToken, ...rest } = params;
  if (received.method !== 'notifications/progress') notify(String(received.method), params);
  else if (progressToken === token) notify('notifications/progress', rest);
}

async function askAll(requests: JsonObject, ask: NonNullable<PeerEvents['ask']>): Promise<JsonObject> {
  if (Object.keys(requests).length > MAX_QUESTIONS) throw new GatehouseError('upstream_broken');
  const answers = await Promise.all(
    Object.entries(requests).map(async ([key, request]) => {
      if (!isJsonObject(request) || typeof request.method !== 'string') throw new GatehouseError('upstream_broken');
      return [key, await ask(request.method, objectIn(request, 'params') ?? {})] as const;
    }),
  );
  return Object.fromEntries(answers);
}

/** Statuses that a server may refuse an unknown revision with; credentials, limits and failures say nothing of it. */
export const isEraEvidence = (status: number): boolean => [400, 404, 405, 406, 415].includes(status);

/** Errors that a modern server says with these statuses itself (MCP 2026-07-28 basic#error-codes). */
const modernCodes: ReadonlySet<number> = new Set([-32020, -32021, -32601, -32602, -32603, -32600, -32700]);

/** As `resultOf`; throws EraRefused where it is the revision that was refused. */
function modernResultOf(answer: JsonObject | undefined, status: number): JsonObject {
  try {
    return resultOf(answer, status);
  } catch (thrown) {
    if (thrown instanceof RpcError) {
      const isRefused = thrown.code === -32022 || (isEraEvidence(status) && !modernCodes.has(thrown.code));
      throw isRefused ? new EraRefused(thrown) : thrown;
    }
    throw thrown instanceof GatehouseError && isEraEvidence(status) ? new EraRefused(thrown) : thrown;
  }
}

/** Throws RpcError for an error of the server, `upstream_broken` where it answered nothing that can be understood. */
export function resultOf(answer: JsonObject | undefined, status: number): JsonObject {
  const error = objectIn(answer, 'error');
  if (error) throw parseRpcError(error);
  const result = objectIn(answer, 'result');
  if (result && status < 400) return result;
  throw new GatehouseError(status === 403 ? 'upstream_refused' : 'upstream_broken', {
    cause: new Error(`status ${status}, ${answer ? 'neither result nor error' : 'no answer'}`),
  });
}
