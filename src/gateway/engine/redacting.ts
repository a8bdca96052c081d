/** What a binding takes out of everything that a tool says: results, errors, log messages, tasks. */
import { type JsonObject, objectIn, stringIn } from '#core/json.ts';
import type { Found } from '#gateway/catalog/find.ts';
import { RpcError } from '#mcp/bridge/errors.ts';
import { redactionsOf } from '#mcp/shape/publish.ts';
import { redactResult } from '#mcp/shape/redact.ts';
import type { Binding } from '#records/snapshot.ts';
import type { Asking } from './asking.ts';

const redactionsIn = ({ shaping }: Binding, tool: string): readonly string[] =>
  shaping ? redactionsOf(tool, shaping.redact) : [];

export async function redacting(
  asking: Asking,
  { part, name }: Found,
  work: (asking: Asking) => Promise<JsonObject>,
): Promise<JsonObject> {
  const paths = redactionsIn(part.binding, name);
  if (paths.length === 0) return work(asking);
  const seen: Asking = {
    ...asking,
    notify(method, params) {
      asking.notify(method, redactNotification(method, params, paths));
    },
  };
  try {
    const result = await work(seen);
    return result.resultType === 'complete' ? redactResult(result, paths) : result;
  } catch (thrown) {
    throw thrown instanceof RpcError ? redactError(thrown, paths) : thrown;
  }
}

function redactNotification(method: string, params: JsonObject, paths: readonly string[]): JsonObject {
  if (method === 'notifications/progress') {
    // Free text, and what will be taken out of the result isn't known yet.
    const { message: _said, ...rest } = params;
    return rest;
  }
  const isLog = method === 'notifications/message' && params.data !== undefined;
  return isLog ? { ...params, data: within(params, 'data', paths) } : params;
}

/** A value beside results is read as if it were a result's structured content. */
function within(holder: JsonObject, key: string, paths: readonly string[]) {
  return redactResult({ structuredContent: holder[key] ?? null }, paths).structuredContent ?? '[redacted]';
}

function redactError({ code, message, data }: RpcError, paths: readonly string[]): RpcError {
  const structured: JsonObject = data === undefined ? {} : { structuredContent: data };
  const left = redactResult({ ...structured, content: [{ type: 'text', text: message }] }, paths);
  const [block] = Array.isArray(left.content) ? left.content : [];
  const text = stringIn(objectIn({ block: block ?? null }, 'block'), 'text') ?? '[redacted]';
  return new RpcError(code, text, data === undefined ? undefined : (left.structuredContent ?? undefined));
}

/** A task as its server tells of it (canonical): its result and its error are those of the tool. */
export function redactTask(task: JsonObject, binding: Binding, tool: string): JsonObject {
  const paths = redactionsIn(binding, tool);
  if (paths.length === 0) return task;
  const result = objectIn(task, 'result');
  const { statusMessage: _said, error: _error, ...rest } = task;
  const error = objectIn(task, 'error');
  const code = Number(error?.code) || -32603;
  const failed = error && redactError(new RpcError(code, stringIn(error, 'message') ?? '', error.data), paths);
  return {
    ...rest,
    ...(result && { result: redactResult(result, paths) }),
    ...(failed && { error: failed.toJson() }),
  };
}
