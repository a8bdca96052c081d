/** Calls an upstream through its port and collects what comes back. */
import type { Upstream, UpstreamCall, UpstreamExchange } from '#adapters/upstream/upstream.ts';
import type { GatehouseError } from '#core/error.ts';
import { asOrgId } from '#core/ids.ts';
import { principalKey } from '#core/principal.ts';

export interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
  /** Every JSON-RPC message, of a JSON body or an event stream, as text. */
  readonly messages: readonly string[];
  readonly error: GatehouseError | undefined;
}

export interface Driven {
  readonly exchange: UpstreamExchange;
  readonly head: Promise<number>;
  readonly done: Promise<Outcome>;
  /** The next message of a stream, as text. */
  next(): Promise<string>;
  /** The sink says it is full after each chunk until `resume`. */
  stall(): void;
}

export const plainCall: UpstreamCall = {
  method: 'POST',
  headers: { accept: 'application/json, text/event-stream', 'content-type': 'application/json' },
  body: undefined,
  rpcMethod: undefined,
  era: 'legacy',
  sessionId: undefined,
  principal: principalKey('test', 'alice'),
  org: asOrgId('00000000-0000-7000-8000-000000000001'),
  credential: undefined,
  credentialKey: '',
  partition: undefined,
  timeouts: { headersMs: 10_000, idleMs: 10_000, totalMs: 20_000 },
};

export function drive(upstream: Upstream, call: Partial<UpstreamCall>): Driven {
  let status = 0;
  let headers: Outcome['headers'] = {};
  let stalled = false;
  let seen = 0;
  const chunks: Buffer[] = [];
  const { promise: head, resolve: onHead } = Promise.withResolvers<number>();
  const { promise: done, resolve: onDone } = Promise.withResolvers<Outcome>();
  let wake: (() => void)[] = [];
  const body = () => Buffer.concat(chunks).toString('utf8');
  const finish = (error?: GatehouseError) => {
    onHead(status);
    onDone({ status, headers, body: body(), messages: messagesOf(body(), headers), error });
  };
  const exchange = upstream.start(
    { ...plainCall, ...call },
    {
      onHead(code, fields) {
        status = code;
        headers = fields;
        onHead(code);
      },
      onData(chunk) {
        chunks.push(chunk);
        for (const run of wake) run();
        wake = [];
        return !stalled;
      },
      onEnd: () => finish(),
      onError: (error) => finish(error),
    },
  );
  return {
    exchange,
    head,
    done,
    stall() {
      stalled = true;
    },
    async next() {
      for (;;) {
        const message = messagesOf(body(), headers)[seen];
        if (message !== undefined) {
          seen++;
          return message;
        }
        await new Promise<void>((resolve) => wake.push(resolve));
      }
    },
  };
}

function messagesOf(body: string, headers: Outcome['headers']): string[] {
  if (!String(headers['content-type']).startsWith('text/event-stream')) return body === '' ? [] : [body];
  const events = body.split('\n\n').slice(0, -1);
  return events.map((event) => /^data: ?(.*)$/m.exec(event)?.[1] ?? '').filter((data) => data !== '');
}

const initializeParams = {
  protocolVersion: '2025-11-25',
  capabilities: { roots: {}, sampling: {} },
  clientInfo: { name: 'driver', version: '1' },
};

export const rpc = (id: string | number, method: string, params: object = {}): Partial<UpstreamCall> => ({
  body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', id, method, params })),
  rpcMethod: method,
});

export const notification = (method: string, params: object = {}): Partial<UpstreamCall> => ({
  body: Buffer.from(JSON.stringify({ jsonrpc: '2.0', method, params })),
  rpcMethod: method,
});

export const toolCall = (id: string | number, name: string, args: object = {}, meta?: object): Partial<UpstreamCall> =>
  rpc(id, 'tools/call', { name, arguments: args, ...(meta ? { _meta: meta } : {}) });

/** A legacy client after its handshake. */
export async function openSession(upstream: Upstream, who: Partial<UpstreamCall> = {}, params: object = {}) {
  const opened = await drive(upstream, { ...who, ...rpc(0, 'initialize', { ...initializeParams, ...params }) }).done;
  const id = opened.headers['mcp-session-id'];
  const sessionId = typeof id === 'string' ? id : undefined;
  const own = (call: Partial<UpstreamCall>): Partial<UpstreamCall> => ({
    ...who,
    ...call,
    ...(sessionId === undefined ? {} : { sessionId }),
    headers: {
      ...plainCall.headers,
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
      ...call.headers,
    },
  });
  const send = (call: Partial<UpstreamCall>) => drive(upstream, own(call));
  if (opened.status === 200) await send(notification('notifications/initialized')).done;
  return { opened, sessionId, send };
}

/** The text of the first content item of the last message's result. */
export function textOf(outcome: Outcome): string {
  const last: unknown = JSON.parse(outcome.messages.at(-1) ?? 'null');
  const found = /"text":("(?:[^"\\]|\\.)*")/.exec(JSON.stringify(last))?.[1];
  return found === undefined ? JSON.stringify(last) : String(JSON.parse(found));
}
