/**
 * Calls of people from pages of ours: through the very rooms that every call takes, so that decisions, limits and audit are
 * those of MCP by construction. Nobody presents a credential here, and nobody can be named but oneself.
 */
import type { CallEvent } from '#admin/me-nouns.ts';
import type { Self, SelfCall } from '#admin/self.ts';
import type { ErrorCode } from '#core/error.ts';
import { type JsonObject, objectIn, parseJsonObject, stringIn } from '#core/json.ts';
import { formatMcpPath } from '#core/mcp-path.ts';
import { mirrorHeaders, postHeaders, sessionHeaders } from '#gateway/channel/channel-headers.ts';
import type { Facade } from '#gateway/channel/door.ts';
import { VirtualRequest, VirtualResponse } from '#gateway/channel/virtual-exchange.ts';
import type { McpHandler } from '#gateway/gateway.ts';
import { parseMessage } from '#mcp/message.ts';
import { legacyVersions, MODERN_VERSION } from '#mcp/versions.ts';
import type { CallRecord } from '#records/call-record.ts';
import type { SelfCallers } from './self-caller.ts';

export interface SelfCallDeps {
  readonly callers: SelfCallers;
  readonly mcp: McpHandler;
  readonly baseUrl: string;
  readonly now: () => number;
  readonly monotonic: () => number;
}

const info = { name: 'gatehouse-portal', version: '1' };
const capabilities = { elicitation: { form: {}, url: {} } };

/** One exchange of a person. Resolves once it is over and accounted. */
export interface Exchange {
  readonly self: Self;
  readonly endpoint: string;
  readonly method: 'POST' | 'DELETE';
  readonly headers: readonly string[];
  readonly body: JsonObject | undefined;
  readonly facade?: Facade;
  readonly signal?: AbortSignal | undefined;
  readonly onHead?: (status: number, headers: ReadonlyMap<string, string>) => void;
  readonly onMessage?: (message: JsonObject) => void;
}

export function openExchanges({ callers, mcp, baseUrl }: SelfCallDeps): (exchange: Exchange) => Promise<CallRecord> {
  return ({ self, endpoint, method, headers, body, facade, signal, onHead, onMessage }) =>
    new Promise((resolve) => {
      const path = { organization: self.org, name: endpoint === '' ? undefined : endpoint };
      const bytes = body && Buffer.from(JSON.stringify(body));
      const { address = '127.0.0.1', userAgent, requestId } = self.from ?? {};
      let record: CallRecord | undefined;
      let isOver = false;
      const settle = () => {
        if (record && isOver) resolve(record);
      };
      const response = new VirtualResponse({
        outlet: {
          send(text) {
            onMessage?.(parseJsonObject(text));
            return true;
          },
          ...{ isFull: false, onDrain: () => undefined, hold: (size) => size < MAX_BYTES, release: () => undefined },
        },
        message: bytes && parseMessage(bytes),
        onHead: (status, said) => onHead?.(status, said),
        onOver() {
          signal?.removeEventListener('abort', abort);
          isOver = true;
          settle();
        },
      });
      const abort = () => response.abort();
      signal?.addEventListener('abort', abort);
      const more = [
        ...(userAgent === undefined ? [] : ['user-agent', userAgent]),
        ...(requestId === undefined ? [] : ['x-request-id', requestId]),
      ];
      const request = new VirtualRequest({
        method,
        url: formatMcpPath(path),
        rawHeaders: ['host', new URL(baseUrl).host, ...headers, ...more],
        socket: { remoteAddress: address, destroy: () => response.abort() },
        ...(bytes && { body: bytes }),
      });
      mcp(request, response, {
        path,
        entrance: { baseUrl, name: undefined, keysOnly: false },
        door: {
          isInner: false,
          ...(facade && { facade }),
          caller: () => callers.callerOf(self),
          heard(said) {
            record = said;
            settle();
          },
        },
      });
      if (signal?.aborted) abort();
    });
}

/** What a page can show of one answer. */
const MAX_BYTES = 8 * 1024 * 1024;

export function openSelfCalls(deps: SelfCallDeps): (self: Self, call: SelfCall) => Promise<void> {
  const exchange = openExchanges(deps);
  return async (self, call) => {
    const began = deps.monotonic();
    const ms = () => Math.round((deps.monotonic() - began) * 100) / 100;
    const say = (sent: Sent, events: typeof call.hear): Promise<CallRecord> => {
      const { headers, message, step } = sent;
      const shown = Object.fromEntries(
        headers.flatMap((name, i) => (i % 2 === 0 ? [[name, headers[i + 1] ?? '']] : [])),
      );
      const path = formatMcpPath({ organization: self.org, name: call.endpoint === '' ? undefined : call.endpoint });
      const id = String(message.id ?? '');
      events({
        ...{ type: 'request', callId: id, at: new Date(deps.now()).toISOString(), url: deps.baseUrl + path, step },
        ...{ headers: shown, message },
      });
      return exchange({
        ...{ self, endpoint: call.endpoint, method: 'POST', headers, body: message, signal: call.signal },
        onHead(status, said) {
          sent.onHead?.(said);
          events({ type: 'head', status, headers: Object.fromEntries(said), ms: ms() });
        },
        onMessage: (said) => events(eventOf(said, ms())),
      });
    };
    const isLegacy = call.era === 'legacy';
    const session = isLegacy ? await openSession(say, call.hear) : [];
    const params: JsonObject = {
      ...call.params,
      ...(call.inputResponses && { inputResponses: call.inputResponses }),
      ...(call.requestState !== undefined && { requestState: call.requestState }),
    };
    const message = { jsonrpc: '2.0', id: 1, method: call.method, params: isLegacy ? params : modern(params) };
    const mirrors = mirrorHeaders(parseMessage(Buffer.from(JSON.stringify(message)))) ?? [];
    const headers = [...postHeaders, ...mirrors, ...session];
    const record = await say({ headers, message, step: null }, call.hear);
    if (session.length > 0)
      await exchange({ self, endpoint: call.endpoint, method: 'DELETE', headers: session, body: undefined });
    call.hear(endOf(record, call.isAdministrator));
  };
}

interface Sent {
  readonly headers: readonly string[];
  readonly message: JsonObject;
  readonly step: string | null;
  readonly onHead?: (headers: ReadonlyMap<string, string>) => void;
}

type Say = (sent: Sent, events: SelfCall['hear']) => Promise<CallRecord>;

function modern(params: JsonObject): JsonObject {
  const { _meta: meta } = params;
  const own = typeof meta === 'object' && meta !== null && !Array.isArray(meta) ? meta : {};
  return {
    ...params,
    _meta: {
      progressToken: 'portal',
      'io.modelcontextprotocol/logLevel': 'debug',
      ...own,
      'io.modelcontextprotocol/protocolVersion': MODERN_VERSION,
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      'io.modelcontextprotocol/clientInfo': info,
    },
  };
}

/** As clients of the older revisions begin. The header fields of what follows. */
async function openSession(say: Say, hear: SelfCall['hear']): Promise<readonly string[]> {
  const protocolVersion = legacyVersions[0] ?? '';
  const initialize = { protocolVersion, capabilities: {}, clientInfo: info };
  let sessionId: string | undefined;
  const step = 'initialize';
  await say(
    {
      ...{ headers: [...postHeaders], message: { jsonrpc: '2.0', id: 0, method: step, params: initialize }, step },
      onHead: (headers) => {
        sessionId = headers.get('mcp-session-id');
      },
    },
    hear,
  );
  const headers = sessionHeaders({ sessionId, protocolVersion });
  const method = 'notifications/initialized';
  await say({ headers: [...postHeaders, ...headers], message: { jsonrpc: '2.0', method }, step: 'initialized' }, hear);
  return headers;
}

function eventOf(message: JsonObject, ms: number): CallEvent {
  if (message.method !== undefined) return { type: 'notification', message, ms };
  const result = objectIn(message, 'result');
  if (result?.resultType !== 'input_required') return { type: 'answer', message, ms };
  return {
    ...{ type: 'question', message, inputRequests: objectIn(result, 'inputRequests') ?? {} },
    ...{ requestState: stringIn(result, 'requestState') ?? null, ms },
  };
}

type By = Extract<CallEvent, { type: 'end' }>['decision']['by'];
const refusedBy: Readonly<Partial<Record<ErrorCode, Exclude<By, null>>>> = {
  ...{ no_token: 'token', invalid_token: 'token', insufficient_scope: 'token' },
  ...{ not_member: 'membership', no_organization: 'membership', unknown_endpoint: 'existence' },
  ...{ role_denied: 'grant', forbidden: 'grant', not_enabled: 'enablement', policy_denied: 'policy' },
  ...{ rate_limited: 'limit', too_many_calls: 'limit', content_blocked: 'filter' },
};

/** Whoever does not administer hears what a client would have heard, and which check it was. */
function endOf(record: CallRecord, isAdministrator: boolean): CallEvent {
  const { status, durationMs, upstreamMs, decision, reason, server, name, policy } = record;
  const by = reason === null || reason === 'client_gone' ? null : (refusedBy[reason] ?? null);
  return {
    ...{ type: 'end', status, durationMs, upstreamMs },
    decision: {
      outcome: decision === 'allow' ? 'allowed' : 'refused',
      ...{ by, code: reason, server, name },
      ...(isAdministrator && { policies: policy ? [...policy.sets, ...policy.policies] : [] }),
    },
  };
}
