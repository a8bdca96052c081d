/** Messages that no SDK would send so: past the client, over its own transport, or on a connection that hangs up. */
import { isJsonObject, type JsonObject, objectIn } from '#core/json.ts';
import type { Address, ClientRow } from './clients.ts';

interface AnyTransport {
  onmessage?: ((...given: never[]) => void) | undefined;
  send(message: never): Promise<unknown>;
}

export interface Raw {
  /** A request in these very words; the whole answer. */
  readonly raw: (message: JsonObject) => Promise<JsonObject>;
  /** All that came in, in its order. */
  readonly heard: JsonObject[];
  /** `subscriptions/listen` of the modern era, until the client is closed. */
  readonly listen: (notifications: JsonObject) => void;
}

/** Answers to these ids are taken from the client, which knows nothing of them. */
export function openRaw(kind: ClientRow, transport: AnyTransport, capabilities: JsonObject): Raw {
  const waiting = new Map<unknown, (answer: JsonObject) => void>();
  const heard: JsonObject[] = [];
  const hear = transport.onmessage;
  transport.onmessage = (...given: never[]) => {
    const [message]: unknown[] = given;
    if (isJsonObject(message)) heard.push(message);
    const take = isJsonObject(message) && message.method === undefined ? waiting.get(message.id) : undefined;
    if (take && isJsonObject(message)) take(message);
    else hear?.(...given);
  };
  const raw = (message: JsonObject) =>
    new Promise<JsonObject>((resolve, reject) => {
      waiting.set(message.id, resolve);
      setTimeout(() => reject(new Error('no answer')), 10_000).unref();
      const whole = { jsonrpc: '2.0', ...message, params: enveloped(kind, objectIn(message, 'params'), capabilities) };
      transport.send(whole as never).catch(reject);
    });
  const listen = (notifications: JsonObject) => {
    raw({ id: 'listening', method: 'subscriptions/listen', params: { notifications } }).catch(() => undefined);
  };
  return { raw, heard, listen };
}

export function enveloped({ version }: ClientRow, params: JsonObject = {}, capabilities: JsonObject = {}): JsonObject {
  if (version < '2026') return params;
  const meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': { name: 'raw', version: '1' },
  };
  return { ...params, _meta: { ...objectIn(params, '_meta'), ...meta } };
}

export interface Posted {
  readonly status: number;
  readonly answer: JsonObject | undefined;
}

/** One POST on a connection of its own; ends with the signal. */
export async function post(
  kind: ClientRow,
  { url, key }: Address,
  message: JsonObject,
  { sessionId, signal }: { readonly sessionId?: string | undefined; readonly signal?: AbortSignal } = {},
): Promise<Posted> {
  const params = objectIn(message, 'params') ?? {};
  const isModern = kind.version >= '2026';
  const name = params.name ?? params.uri;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...(sessionId === undefined ? {} : { 'mcp-session-id': sessionId }),
      ...(kind.version < '2025-06-18' ? {} : { 'mcp-protocol-version': kind.version }),
      ...(isModern ? { 'mcp-method': String(message.method) } : {}),
      ...(isModern && typeof name === 'string' ? { 'mcp-name': name } : {}),
    },
    body: JSON.stringify({ jsonrpc: '2.0', ...message }),
    ...(signal && { signal }),
  });
  return { status: response.status, answer: answerIn(await response.text(), message.id) };
}

function answerIn(body: string, id: unknown): JsonObject | undefined {
  const texts = body.startsWith('{') ? [body] : [...body.matchAll(/^data: ?(\{.*)$/gm)].map(([, data = '']) => data);
  const messages = texts.map((text): unknown => JSON.parse(text)).filter(isJsonObject);
  return messages.find((message) => message.method === undefined && (message.id === id || message.id === null));
}
