/** What comes from a server, in the names and URIs of the endpoint. */
import type { JsonObject } from '#core/json.ts';
import { mapParamsUris, mapResultUris } from '#mcp/bridge/uri-places.ts';
import { encodeUri } from '#mcp/bridge/uris.ts';
import type { EndpointPart } from '#records/snapshot.ts';

export function fromServer(method: string, result: JsonObject, { prefix }: EndpointPart): JsonObject {
  return prefix === '' ? result : mapResultUris(method, result, (uri) => encodeUri(prefix, uri));
}

export function eventFromServer(
  method: string,
  params: JsonObject,
  { prefix }: EndpointPart,
): { readonly method: string; readonly params: JsonObject } {
  return { method, params: prefix === '' ? params : mapParamsUris(method, params, (uri) => encodeUri(prefix, uri)) };
}
