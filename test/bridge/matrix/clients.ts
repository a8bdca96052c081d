/** The rows of the matrix: official clients of each revision over each transport, behind one small interface. */
import { Client, StreamableHTTPClientTransport, type Transport } from '@modelcontextprotocol/client';
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StreamableHTTPClientTransport as OldHttpTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport as OldTransport } from '@modelcontextprotocol/sdk/shared/transport.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  type JSONRPCMessage,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  ResultSchema,
} from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { isJsonObject, type JsonObject } from '#core/json.ts';
import { enveloped, openRaw, post, type Raw } from './raw.ts';
import { SocketTransport } from './socket-transport.ts';

export type Wire = 'http' | 'sse' | 'ws';

export interface ClientRow {
  readonly title: string;
  readonly version: string;
  readonly wire: Wire;
  readonly sdk: '1.x' | '2.x';
}

const row = (version: string, wire: Wire, sdk: '1.x' | '2.x'): ClientRow => ({
  title: `${version}, ${{ http: 'HTTP', sse: 'HTTP+SSE', ws: 'WebSocket' }[wire]} (SDK ${sdk})`,
  version,
  wire,
  sdk,
});

export const rows: readonly ClientRow[] = [
  row('2024-11-05', 'sse', '1.x'),
  row('2025-03-26', 'http', '1.x'),
  row('2025-06-18', 'http', '1.x'),
  row('2025-11-25', 'http', '1.x'),
  row('2025-11-25', 'sse', '1.x'),
  row('2025-11-25', 'ws', '1.x'),
  row('2025-11-25', 'http', '2.x'),
  row('2026-07-28', 'http', '2.x'),
  row('2026-07-28', 'ws', '2.x'),
];

export const isModern = ({ version }: ClientRow): boolean => version >= '2026';

export type Answer = (method: string, params: JsonObject) => JsonObject | Promise<JsonObject>;

export interface Options {
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: JsonObject) => void;
  /** For modern clients; legacy ones have `logging/setLevel`. */
  readonly logLevel?: string;
}

export interface MatrixClient extends Raw {
  /** Rejects with the server's error: `code`, `message`, `data`. */
  request(method: string, params?: JsonObject, options?: Options): Promise<JsonObject>;
  readonly instructions: string | undefined;
  readonly capabilities: JsonObject;
  /** Whoever is asked something answers by it; default: accepts everything. */
  answer: Answer;
  readonly asked: { readonly method: string; readonly params: JsonObject }[];
  readonly logs: JsonObject[];
  /** A call on a connection of its own, which hangs up with the signal. */
  hangingCall(name: string, args: JsonObject, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export interface Address {
  /** Of the endpoint, `http://…/{org}/mcp/{name}`. */
  readonly url: string;
  readonly key: string;
}

/** More than any answer takes: what hangs is a fault. */
const PATIENCE_MS = 10_000;

/** All that clients of a revision can declare. */
export function everything({ version }: ClientRow): JsonObject {
  const older = { sampling: {}, roots: {} };
  if (version < '2025-06-18') return older;
  return version < '2025-11-25' ? { ...older, elicitation: {} } : { ...older, elicitation: { form: {}, url: {} } };
}

export const acceptAll = (method: string, params: JsonObject): JsonObject => {
  if (method === 'roots/list') return { roots: [{ uri: 'file:///work', name: 'work' }] };
  if (method === 'sampling/createMessage')
    return { role: 'assistant', model: 'test', content: { type: 'text', text: 'pong' } };
  if (params.mode === 'url') return { action: 'accept' };
  return { action: 'accept', content: { name: `ann for ${String(params.message)}` } };
};

/** `capabilities`: what the client declares, and has handlers for. */
export function connect(kind: ClientRow, address: Address, capabilities = everything(kind)): Promise<MatrixClient> {
  return kind.sdk === '1.x' ? connectOld(kind, address, capabilities) : connectNew(kind, address, capabilities);
}

const questions = {
  elicitation: ElicitRequestSchema,
  sampling: CreateMessageRequestSchema,
  roots: ListRootsRequestSchema,
} as const;

async function connectOld(kind: ClientRow, address: Address, capabilities: JsonObject): Promise<MatrixClient> {
  const client = new OldClient({ name: 'matrix', version: '1' }, { capabilities: capabilities as never });
  const self = shell(() => client.close());
  for (const [name, schema] of Object.entries(questions)) {
    if (capabilities[name] === undefined) continue;
    client.setRequestHandler(schema, async ({ method, params }) => (await self.hear(method, params)) as never);
  }
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
    self.logs.push(params as JsonObject);
  });
  const transport = pinned(oldTransport(kind, address), kind.version);
  await client.connect(transport);
  return Object.assign(self, {
    ...rawOf({ kind, address, capabilities }, transport),
    instructions: client.getInstructions(),
    capabilities: (client.getServerCapabilities() ?? {}) as JsonObject,
    request: async (method: string, params: JsonObject = {}, { signal, onProgress }: Options = {}) =>
      (await client.request({ method, params } as never, ResultSchema as never, {
        timeout: PATIENCE_MS,
        ...(signal && { signal }),
        ...(onProgress && { onprogress: (progress) => onProgress(progress as unknown as JsonObject) }),
      })) as JsonObject,
  });
}

async function connectNew(kind: ClientRow, address: Address, capabilities: JsonObject): Promise<MatrixClient> {
  const mode = isModern(kind) ? ({ pin: '2026-07-28' } as const) : 'legacy';
  const client = new Client(
    { name: 'matrix', version: '1' },
    { capabilities: capabilities as never, versionNegotiation: { mode } },
  );
  const self = shell(() => client.close());
  const methods = {
    elicitation: 'elicitation/create',
    sampling: 'sampling/createMessage',
    roots: 'roots/list',
  } as const;
  for (const [name, method] of Object.entries(methods)) {
    if (capabilities[name] === undefined) continue;
    client.setRequestHandler(method, async ({ params }) => (await self.hear(method, params)) as never);
  }
  client.setNotificationHandler('notifications/message', ({ params }) => {
    self.logs.push(params as unknown as JsonObject);
  });
  const transport = newTransport(kind, address);
  await client.connect(transport);
  return Object.assign(self, {
    ...rawOf({ kind, address, capabilities }, transport),
    instructions: client.getInstructions(),
    capabilities: (client.getServerCapabilities() ?? {}) as JsonObject,
    request: async (method: string, params: JsonObject = {}, { signal, onProgress, logLevel }: Options = {}) => {
      const meta = logLevel === undefined ? {} : { _meta: { 'io.modelcontextprotocol/logLevel': logLevel } };
      const options = {
        timeout: PATIENCE_MS,
        ...(signal && { signal }),
        ...(onProgress && { onprogress: (progress: unknown) => onProgress(progress as JsonObject) }),
      };
      return (await client.request(
        { method, params: { ...params, ...meta } },
        z.looseObject({}),
        options,
      )) as JsonObject;
    },
  });
}

interface Connected {
  readonly kind: ClientRow;
  readonly address: Address;
  readonly capabilities: JsonObject;
}

function rawOf({ kind, address, capabilities }: Connected, transport: OldTransport | Transport) {
  return {
    ...openRaw(kind, transport, capabilities),
    async hangingCall(name: string, args: JsonObject, signal: AbortSignal): Promise<void> {
      const params = enveloped(kind, { name, arguments: args }, capabilities);
      const { sessionId } = transport;
      const message = { id: `hanging ${name}`, method: 'tools/call', params };
      await post(kind, address, message, { sessionId, signal }).catch(() => undefined);
    },
  };
}

function shell(close: () => Promise<void>) {
  const self = {
    answer: acceptAll,
    asked: [] as { readonly method: string; readonly params: JsonObject }[],
    logs: [] as JsonObject[],
    close,
    async hear(method: string, given: unknown): Promise<JsonObject> {
      const params = isJsonObject(given) ? given : {};
      self.asked.push({ method, params });
      return self.answer(method, params);
    },
  };
  return self;
}

/** An SDK of today as one of that revision: it asks for it, and gets it. */
function pinned(transport: OldTransport, version: string): OldTransport {
  const send = transport.send.bind(transport);
  transport.send = (message: JSONRPCMessage, options) => {
    if ('method' in message && message.method === 'initialize')
      return send({ ...message, params: { ...message.params, protocolVersion: version } } as JSONRPCMessage, options);
    return send(message, options);
  };
  return transport;
}

const bearerOf = ({ key }: Address) => ({ authorization: `Bearer ${key}` });

function oldTransport({ wire }: ClientRow, address: Address): OldTransport {
  const requestInit = { headers: bearerOf(address) };
  if (wire === 'sse') return new SSEClientTransport(new URL(`${address.url}/sse`), { requestInit });
  // The transport's types and `Transport` differ in optional fields.
  if (wire === 'http') return new OldHttpTransport(new URL(address.url), { requestInit }) as OldTransport;
  return new SocketTransport(address.url, bearerOf(address)) as OldTransport;
}

function newTransport({ wire }: ClientRow, address: Address): Transport {
  if (wire === 'ws') return new SocketTransport(address.url, bearerOf(address)) as Transport;
  return new StreamableHTTPClientTransport(new URL(address.url), { requestInit: { headers: bearerOf(address) } });
}
