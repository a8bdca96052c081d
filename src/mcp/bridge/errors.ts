/** JSON-RPC errors of each revision. Canonical are the modern codes (2026-07-28 basic#error-codes). */
import { isJsonObject, type Json, type JsonObject, objectIn } from '#core/json.ts';
import { isSince, listIn } from './objects.ts';
import { toInputRequest } from './questions.ts';

export const rpcCodes = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** Before 2026-07-28 only. */
  resourceNotFound: -32002,
  headerMismatch: -32020,
  missingCapability: -32021,
  unsupportedVersion: -32022,
  /** 2025-11-25 only. */
  urlElicitationRequired: -32042,
} as const;

/** What an MCP server answers instead of a result. `message` and `data` are the server's own text. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: Json | undefined;

  constructor(code: number, message: string, data?: Json) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
    this.data = data;
  }

  /** The `error` member of a response. */
  toJson(): JsonObject {
    return { code: this.code, message: this.message, ...(this.data !== undefined && { data: this.data }) };
  }
}

/** The `error` member of a response, also of one that keeps no form. */
export function parseRpcError(error: Json | undefined): RpcError {
  if (!isJsonObject(error)) return new RpcError(rpcCodes.internal, 'The server answered with a malformed error');
  const code = typeof error.code === 'number' && Number.isInteger(error.code) ? error.code : rpcCodes.internal;
  return new RpcError(code, typeof error.message === 'string' ? error.message : 'Error', error.data);
}

/** A legacy server's error. One with URL elicitations (-32042) is no error in the modern revision: ask `urlElicitations` first. */
export function toCanonicalError(error: RpcError): RpcError {
  if (error.code === rpcCodes.resourceNotFound) return recoded(error, rpcCodes.invalidParams);
  // -32020 to -32099 belong to the specification, and mean nothing in a legacy server's mouth.
  return error.code <= -32020 && error.code >= -32099 ? recoded(error, rpcCodes.internal) : error;
}

/**
 * What a modern client is told. A mirror header or revision that the upstream refused is between the gateway and the
 * upstream; a capability that the upstream misses is the client's own matter.
 */
export function toModernError(error: RpcError): RpcError {
  return error.code === rpcCodes.missingCapability ? error : toCanonicalError(error);
}

/** HTTP status of a modern answer with this error, where the server that answered is not the gateway. */
export function modernStatus(error: RpcError): 200 | 400 | 404 {
  if (error.code === rpcCodes.unknownMethod) return 404;
  const refused: readonly number[] = [
    rpcCodes.headerMismatch,
    rpcCodes.missingCapability,
    rpcCodes.unsupportedVersion,
    rpcCodes.parse,
    rpcCodes.invalidRequest,
  ];
  return refused.includes(error.code) ? 400 : 200;
}

export type LegacyAnswer = { readonly error: RpcError } | { readonly result: JsonObject };

export interface LegacyCaller {
  readonly method: string;
  /** The client's revision. */
  readonly version: string;
}

const readsResource = new Set(['resources/read', 'resources/subscribe', 'resources/unsubscribe']);

/** A tool call that a legacy client cannot be asked about ends as the tool's own error, which a model can read. */
export function toLegacyError(error: RpcError, { method, version }: LegacyCaller): LegacyAnswer {
  switch (error.code) {
    case rpcCodes.invalidParams:
      return { error: readsResource.has(method) ? recoded(error, rpcCodes.resourceNotFound) : error };
    case rpcCodes.headerMismatch:
    case rpcCodes.unsupportedVersion:
      return { error: recoded(error, rpcCodes.internal) };
    case rpcCodes.missingCapability:
      return cannotAsk(method, missingText(error));
    case rpcCodes.urlElicitationRequired:
      return isSince(version, '2025-11-25') ? { error } : cannotAsk(method, urlText(error));
    default:
      return { error };
  }
}

/** The client can't be asked what the server wants to know: a tool says so in its result, the rest by an error. */
export function cannotAsk(method: string, text: string): LegacyAnswer {
  if (method === 'tools/call') return { result: { content: [{ type: 'text', text }], isError: true } };
  return { error: new RpcError(rpcCodes.internal, text) };
}

function recoded(error: RpcError, code: number): RpcError {
  return new RpcError(code, error.message, error.data);
}

function missingText(error: RpcError): string {
  const required = isJsonObject(error.data) ? objectIn(error.data, 'requiredCapabilities') : undefined;
  const names = required ? Object.keys(required) : [];
  return names.length > 0
    ? `This needs a client that supports ${names.join(', ')}.`
    : 'This needs a capability that this client did not declare.';
}

function elicitationsOf(error: RpcError): readonly JsonObject[] {
  const list = isJsonObject(error.data) ? listIn(error.data, 'elicitations') : undefined;
  return (list ?? []).filter(isJsonObject).filter(({ url }) => typeof url === 'string');
}

function urlText(error: RpcError): string {
  const lines = elicitationsOf(error).map(({ message, url }) => `${String(message ?? 'Open')}: ${String(url)}`);
  return [error.message, ...lines].join('\n');
}

/** -32042 of a 2025-11-25 server as the `input_required` result that says the same; undefined for other errors. */
export function urlElicitations(error: RpcError): JsonObject | undefined {
  if (error.code !== rpcCodes.urlElicitationRequired) return undefined;
  const asked = elicitationsOf(error);
  if (asked.length === 0) return undefined;
  const requests = asked.map((params, at): [string, JsonObject] => [
    `url-${at + 1}`,
    toInputRequest('elicitation/create', { message: error.message, ...params, mode: 'url' }),
  ]);
  return { resultType: 'input_required', inputRequests: Object.fromEntries(requests) };
}
