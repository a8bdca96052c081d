/** The header fields that a message of a channel would have come with, had it been a request of its own. */
import { findEnvelope, type Message } from '#mcp/message.ts';

/** Of one exchange, of the opening handshake, or said anew for each message. */
const ofOneRequest =
  /^(?:connection|keep-alive|upgrade|te|trailer|transfer-encoding|expect|content-.*|accept|accept-encoding|sec-websocket-.*|last-event-id|mcp-.*|dpop)$/i;

export interface Learnt {
  readonly sessionId: string | undefined;
  readonly protocolVersion: string | undefined;
}

/** `rawHeaders`: name, value, name, value …; what is left of them has the same form. */
export function keptHeaders(rawHeaders: readonly string[], alsoDropped?: string): string[] {
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? '';
    if (!ofOneRequest.test(name) && name.toLowerCase() !== alsoDropped) kept.push(name, rawHeaders[i + 1] ?? '');
  }
  return kept;
}

export const postHeaders = [
  'content-type',
  'application/json',
  'accept',
  'application/json, text/event-stream',
] as const;

export const streamHeaders = ['accept', 'text/event-stream'] as const;

/** As the client learnt them from the answer to `initialize`. */
export function sessionHeaders({ sessionId, protocolVersion }: Learnt): string[] {
  return [
    ...(sessionId === undefined ? [] : ['mcp-session-id', sessionId]),
    ...(protocolVersion === undefined ? [] : ['mcp-protocol-version', protocolVersion]),
  ];
}

/** Undefined: a message of the legacy era. Throws GatehouseError `invalid_params`. */
export function mirrorHeaders(message: Message): string[] | undefined {
  const envelope = message.kind === 'response' ? undefined : findEnvelope(message);
  if (!envelope) return undefined;
  const { method, name } = message;
  return [
    'mcp-protocol-version',
    envelope.version,
    // A header could not carry another: its absence is what a client would hear of.
    ...(method !== undefined && /^[\x21-\x7e]+$/.test(method) ? ['mcp-method', method] : []),
    ...(name === undefined ? [] : ['mcp-name', encodeHeaderValue(name)]),
  ];
}

/** SEP-2243: plain where a header can carry it. */
function encodeHeaderValue(value: string): string {
  const isPlain = /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/.test(value) && !/^=\?base64\?.*\?=$/.test(value);
  return isPlain ? value : `=?base64?${Buffer.from(value).toString('base64')}?=`;
}
