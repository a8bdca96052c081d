/**
 * The bridge between protocol revisions: pure functions over JSON objects. Its canonical form is the modern revision
 * (2026-07-28) without the envelope that every modern request carries in `params._meta`, which is kept beside it.
 */
import { type Json, type JsonObject, objectIn, stringIn } from '#core/json.ts';
import { MODERN_VERSION } from '#mcp/versions.ts';
import { compact, omitMeta, putMeta } from './objects.ts';

const keys = {
  version: 'io.modelcontextprotocol/protocolVersion',
  capabilities: 'io.modelcontextprotocol/clientCapabilities',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  logLevel: 'io.modelcontextprotocol/logLevel',
  progressToken: 'progressToken',
} as const;
const SERVER_INFO_KEY = 'io.modelcontextprotocol/serverInfo';

/** What a modern request says of itself (2026-07-28 basic, `_meta`). Of a legacy one only the progress token. */
export interface RequestEnvelope {
  readonly version?: string | undefined;
  readonly capabilities?: JsonObject | undefined;
  readonly clientInfo?: JsonObject | undefined;
  readonly logLevel?: string | undefined;
  readonly progressToken?: Json | undefined;
}

export interface SplitParams {
  readonly params: JsonObject;
  readonly envelope: RequestEnvelope;
}

/** `traceparent` and other keys of `_meta` stay in params. */
export function splitEnvelope(params: JsonObject | undefined): SplitParams {
  const meta = objectIn(params, '_meta');
  return {
    params: omitMeta(params ?? {}, Object.values(keys)),
    envelope: {
      version: stringIn(meta, keys.version),
      capabilities: objectIn(meta, keys.capabilities),
      clientInfo: objectIn(meta, keys.clientInfo),
      logLevel: stringIn(meta, keys.logLevel),
      progressToken: meta?.[keys.progressToken],
    },
  };
}

/** For a legacy server give the progress token only: its other members have no place in a legacy request. */
export function withEnvelope(params: JsonObject, envelope: RequestEnvelope): JsonObject {
  return putMeta(
    params,
    compact({
      [keys.version]: envelope.version,
      [keys.capabilities]: envelope.capabilities,
      [keys.clientInfo]: envelope.clientInfo,
      [keys.logLevel]: envelope.logLevel,
      [keys.progressToken]: envelope.progressToken,
    }),
  );
}

/** The envelope of a modern request, both required members present. */
export function modernEnvelope(envelope: RequestEnvelope): RequestEnvelope {
  return { ...envelope, version: envelope.version ?? MODERN_VERSION, capabilities: envelope.capabilities ?? {} };
}

export interface SplitResult {
  readonly result: JsonObject;
  readonly serverInfo: JsonObject | undefined;
}

export function splitServerInfo(result: JsonObject): SplitResult {
  return {
    result: omitMeta(result, [SERVER_INFO_KEY]),
    serverInfo: objectIn(objectIn(result, '_meta'), SERVER_INFO_KEY),
  };
}

export function withServerInfo(result: JsonObject, serverInfo: JsonObject): JsonObject {
  return putMeta(result, { [SERVER_INFO_KEY]: serverInfo });
}
