/** A binding's enforced arguments, where a call doesn't pass through as bytes. */
import { type JsonObject, objectIn, parseJsonObject } from '#core/json.ts';
import { enforceArguments, findEnforced } from '#mcp/enforce.ts';
import { parseMessage } from '#mcp/message.ts';
import type { Binding } from '#records/snapshot.ts';

/** `params` of `tools/call`, in the server's own names. Throws GatehouseError `enforcement_failed`. */
export function withEnforced(params: JsonObject, name: string, { enforced }: Binding): JsonObject {
  const found = enforced.size === 0 ? undefined : findEnforced(name, enforced);
  if (!found) return params;
  const message = { jsonrpc: '2.0', id: 0, method: 'tools/call', params };
  const bytes = enforceArguments(parseMessage(Buffer.from(JSON.stringify(message))), found);
  return objectIn(parseJsonObject(bytes.toString('utf8')), 'params') ?? {};
}
