/** Answers that no server gives: made here, in the words of the official SDK's server. */
import type { UpstreamCall, UpstreamExchange } from '#adapters/upstream/upstream.ts';
import { asGatehouseError, GatehouseError } from '#core/error.ts';
import { memberString } from '#mcp/json-scan.ts';
import { VERSION_KEY } from '#mcp/message.ts';
import { legacyVersions } from '#mcp/versions.ts';
import type { Answer } from './answer.ts';
import { errorLine, findMeta, type Line, rawOf } from './line.ts';
import { Refusal } from './wire.ts';

export interface Request {
  readonly call: UpstreamCall;
  readonly line: Line;
  readonly answer: Answer;
}

/** The line of a call that has none: GET and DELETE. */
export const nothing: Line = {
  bytes: Buffer.alloc(0),
  kind: 'notification',
  method: undefined,
  id: undefined,
  members: [],
  params: undefined,
};

export function idOf(line: Line): Buffer {
  return line.id ? rawOf(line, line.id) : Buffer.from('null');
}

/** Answered without the server, but not before `start` has returned. */
export function local(answer: Answer, run: () => void): UpstreamExchange {
  queueMicrotask(run);
  return exchangeOf(answer);
}

export function exchangeOf(answer: Answer): UpstreamExchange {
  return { sent: false, abort: () => answer.detach(), resume: () => answer.resume() };
}

/** Codes and texts as the official SDK's: clients start a new session on the 404. */
export function noSession({ call, line, answer }: Request): void {
  if (call.sessionId === undefined) {
    answer.finish(errorLine(idOf(line), -32000, 'Bad Request: Mcp-Session-Id header is required'), 400);
  } else sessionNotFound(line, answer);
}

export function sessionNotFound(line: Line, answer: Answer): void {
  answer.finish(errorLine(idOf(line), -32001, 'Session not found'), 404);
}

/** A modern request to a legacy server: what makes a client fall back to `initialize` (PROTOCOL 1.6). */
export function refuseModern({ line, answer }: Request): void {
  const id = idOf(line);
  if (line.method === 'server/discover') {
    answer.finish(errorLine(id, -32601, 'Method not found'), 404);
    return;
  }
  const version = findMeta(line, line.params, VERSION_KEY);
  const data = { supported: legacyVersions, requested: memberString(line.bytes, version) ?? '' };
  answer.finish(errorLine(id, -32022, 'Unsupported protocol version', data), 400);
}

/** The server did not take the message. Its own status where that means something to the caller of a session. */
export function answerFailure(line: Line, answer: Answer, error: unknown): void {
  if (!(error instanceof Refusal)) {
    answer.fail(asGatehouseError(error));
    return;
  }
  const { status, retryAfter } = error;
  if (status === 404) sessionNotFound(line, answer);
  else if (status >= 400) {
    const headers: Record<string, string> = retryAfter === undefined ? {} : { 'retry-after': retryAfter };
    answer.finish(errorLine(idOf(line), -32603, 'Upstream server refused the message'), status, headers);
  } else answer.fail(new GatehouseError('upstream_broken', { cause: error }));
}
