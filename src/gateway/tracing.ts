/**
 * Spans of calls, in the words of OpenTelemetry's conventions for MCP. Made at a call's end from its record; on the way
 * there a call only carries its place in the trace, which goes on to the server. Off, nothing of this is loaded.
 */
import { createHash, randomBytes } from 'node:crypto';
import { defaultJsonLimits, JsonScanner, memberString } from '#mcp/json-scan.ts';
import { findMember } from '#mcp/message.ts';
import type { CallRecord } from '#records/call-record.ts';
import type { Call, Received } from './call.ts';

/** Its place in the trace: W3C Trace Context, lower-case hexadecimal. */
export interface SpanPlace {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentId: string | undefined;
  readonly isSampled: boolean;
}

export interface Tracing {
  /** From now on the call has a place, and what goes upstream names it. */
  begin(call: Received): void;
  /** The modern era says it in the message: `_meta.traceparent`. */
  adopt(call: Received): void;
  /** At its end. Never throws. */
  end(record: CallRecord, call: Call): void;
}

const traceparent = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** `sampling`: part of the calls that nobody decided about, 0 to 1. `emit` is handed sampled spans only. */
export function openTracing(
  sampling: number,
  emit: (record: CallRecord, call: Call, place: SpanPlace) => void,
): Tracing {
  const place = (call: Received, given: string | undefined) => {
    const [, traceId = randomHex(16), parentId, flags] = traceparent.exec(given ?? '') ?? [];
    // The caller's decision stands; without one it follows from the trace's id, the same in every process.
    const isSampled = flags === undefined ? isChosen(traceId, sampling) : (Number.parseInt(flags, 16) & 1) === 1;
    const span: SpanPlace = { traceId, spanId: randomHex(8), parentId, isSampled };
    call.span = span;
    const { spanId } = span;
    call.headers = { ...call.headers, traceparent: `00-${traceId}-${spanId}-${isSampled ? '01' : '00'}` };
  };
  return {
    begin: (call) => place(call, call.headers.traceparent),
    adopt(call) {
      if (call.span?.parentId !== undefined) return;
      const given = traceparentOf(call);
      if (given !== undefined && traceparent.test(given)) place(call, given);
    },
    end(record, call) {
      if (call.span?.isSampled) emit(record, call, call.span);
    },
  };
}

function traceparentOf({ message }: Received): string | undefined {
  const meta = findMember(message?.params, '_meta');
  if (!message || !meta || message.bytes.subarray(meta.valueStart, meta.valueEnd).indexOf('traceparent') < 0)
    return undefined;
  const members = new JsonScanner(message.bytes, defaultJsonLimits).membersAt(meta.valueStart);
  return memberString(message.bytes, findMember(members, 'traceparent'));
}

const randomHex = (bytes: number) => randomBytes(bytes).toString('hex');

const isChosen = (traceId: string, sampling: number) =>
  Number.parseInt(traceId.slice(-8), 16) / 0x1_0000_0000 < sampling;

type Value = string | number;

/** Names by OpenTelemetry's conventions for MCP, GenAI, JSON-RPC and HTTP; the session's id is a secret and goes hashed. */
export function attributesOf(record: CallRecord, { headers, era }: Call): Record<string, Value> {
  const { rpcMethod, name, reason, status } = record;
  const isTool = rpcMethod === 'tools/call';
  const given: Record<string, Value | null | undefined> = {
    'mcp.method.name': rpcMethod,
    'mcp.protocol.version': headers?.protocolVersion,
    'mcp.session.id': headers?.sessionId && createHash('sha256').update(headers.sessionId).digest('hex').slice(0, 16),
    'mcp.resource.uri': rpcMethod?.startsWith('resources/') ? name : undefined,
    'gen_ai.tool.name': isTool ? name : undefined,
    'gen_ai.prompt.name': rpcMethod === 'prompts/get' ? name : undefined,
    'gen_ai.operation.name': isTool ? 'execute_tool' : undefined,
    'rpc.system': rpcMethod === null ? undefined : 'jsonrpc',
    'rpc.method': rpcMethod,
    'http.request.method': record.httpMethod,
    'http.response.status_code': status,
    'url.path': record.path,
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'error.type': reason ?? (status >= 500 ? String(status) : undefined),
    'gatehouse.request.id': record.requestId,
    'gatehouse.organization': record.org,
    'gatehouse.server': record.server,
    'gatehouse.decision': record.decision,
    'gatehouse.era': era,
    'gatehouse.upstream.ms': record.upstreamMs,
  };
  const entries = Object.entries(given).filter(
    (entry): entry is [string, Value] => entry[1] != null && entry[1] !== '',
  );
  return Object.fromEntries(entries);
}

/** Of few values: a tool's name stands in it, a resource's never. */
export function spanName({ rpcMethod, name, httpMethod }: CallRecord): string {
  if (rpcMethod === null) return httpMethod;
  return name !== null && (rpcMethod === 'tools/call' || rpcMethod === 'prompts/get')
    ? `${rpcMethod} ${name}`
    : rpcMethod;
}
