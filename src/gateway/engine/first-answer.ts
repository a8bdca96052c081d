/** What a server's first answer says of the era that it was asked in (PROTOCOL: version negotiation, upstream). */
import { isJsonObject, type JsonObject, objectIn, parseJson, stringIn } from '#core/json.ts';
import type { Received } from '#gateway/call.ts';
import { modernVersions } from '#mcp/versions.ts';

export interface FirstAnswer {
  readonly status: number;
  readonly body: Buffer | undefined;
}

/**
 * `unclear`: it may be a server of the other era. `refused`: so it may be, but servers of this one say that too. `other`: it
 * says nothing of that.
 */
export type Verdict = 'speaks' | 'session_lost' | 'unclear' | 'refused' | 'other';

export function judgeAnswer(call: Received, { status, body }: FirstAnswer): Verdict {
  const message = bodyOf(body);
  if (call.era === 'modern') return judgeModern(status, message);
  if (call.message?.method !== 'initialize') return isSessionGone(call, status, message) ? 'session_lost' : 'other';
  if (status < 300 && objectIn(message, 'result')) return 'speaks';
  return isEvidence(status) ? 'unclear' : 'other';
}

/** It doesn't know the session any more, or no sessions at all: what was asked in it was not done. */
function isSessionGone({ headers }: Received, status: number, message: JsonObject | undefined): boolean {
  if (headers.sessionId === undefined) return false;
  if (status === 404) return true;
  const error = objectIn(message, 'error');
  return status === 400 && (error?.code === -32022 || /session/i.test(stringIn(error, 'message') ?? ''));
}

/** Refused credentials, limits and failures are no evidence. */
const isEvidence = (status: number) => status < 300 || [400, 404, 405, 406, 415].includes(status);

function judgeModern(status: number, message: JsonObject | undefined): Verdict {
  if (status < 300) return 'other';
  const error = objectIn(message, 'error');
  const code = error?.code;
  if (code === -32020 || code === -32021) return 'speaks';
  const supported = objectIn(error, 'data')?.supported;
  if (code === -32022 && Array.isArray(supported))
    return supported.some((version) => modernVersions.includes(String(version))) ? 'speaks' : 'unclear';
  if (!isEvidence(status)) return 'other';
  return code === -32601 || code === -32602 || code === -32603 ? 'refused' : 'unclear';
}

function bodyOf(body: Buffer | undefined): JsonObject | undefined {
  try {
    const value = body && parseJson(body.toString('utf8'));
    return isJsonObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
