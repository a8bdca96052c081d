/**
 * The session id carries the client's `initialize` parameters, byte for byte: after an idle stop, or on another replica,
 * the child can be started and initialised again without the client noticing. It grants nothing: which child it leads to
 * is decided by organization, principal and credential of each call.
 */
import { createHash, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Line, parseLine, rawOf } from '#adapters/upstream/message-stream/line.ts';
import { GatehouseError } from '#core/error.ts';
import { findMember } from '#mcp/message.ts';

export interface InitializeParams {
  /** `{"protocolVersion":…,"capabilities":…,"clientInfo":…}` as the client wrote the values. */
  readonly bytes: Buffer;
  /** Equal for clients that may share a child: same protocol version, equal capabilities. */
  readonly fingerprint: string;
}

const MAX_LENGTH = 2048;
const MAX_PARAMS = 64 * 1024;
/** Common phrases, most common last: what nearly every client sends then costs a few bytes. */
const dictionary = Buffer.from(
  '"experimental":{},"tasks":{"list":{},"cancel":{},"requests":{"extensions":{}"title":"websiteUrl":"https://"' +
    '"sampling":{"context":{},"tools":{}}"elicitation":{"form":{},"url":{}}"applyDefaults":true' +
    '"protocolVersion":"2024-11-05""protocolVersion":"2025-03-26""protocolVersion":"2025-06-18"' +
    '{"protocolVersion":"2025-11-25","capabilities":{"roots":{"listChanged":true},"sampling":{},"elicitation":{}},' +
    '"clientInfo":{"name":"mcp-client","version":"1.0.0"}}',
);

/** Throws GatehouseError `invalid_params` when the parameters are incomplete. */
export function readInitialize(line: Line): InitializeParams {
  const parts: string[] = [];
  for (const key of ['protocolVersion', 'capabilities', 'clientInfo']) {
    const member = findMember(line.params, key);
    if (member) parts.push(`"${key}":${rawOf(line, member).toString('utf8')}`);
    else if (key !== 'clientInfo') throw new GatehouseError('invalid_params', { message: `initialize lacks ${key}` });
  }
  return withFingerprint(Buffer.from(`{${parts.join(',')}}`));
}

function withFingerprint(bytes: Buffer): InitializeParams {
  const params: Record<string, unknown> = JSON.parse(bytes.toString('utf8'));
  const text = canonical([params.protocolVersion, params.capabilities]);
  return { bytes, fingerprint: createHash('sha256').update(text).digest('base64url') };
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) => {
    if (part === null || typeof part !== 'object' || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}

/** At most 2048 visible ASCII characters. Throws GatehouseError `invalid_params` when the parameters do not fit. */
export function mintSessionId(params: InitializeParams): string {
  const packed = deflateRawSync(params.bytes, { level: 9, dictionary });
  const id = `${randomBytes(16).toString('base64url')}.${packed.toString('base64url')}`;
  if (id.length > MAX_LENGTH || params.bytes.length > MAX_PARAMS) {
    throw new GatehouseError('invalid_params', { message: 'The capabilities and clientInfo are too large' });
  }
  return id;
}

/** undefined: not an id of ours. */
export function openSessionId(id: string): InitializeParams | undefined {
  const packed = /^[A-Za-z0-9_-]{22}\.([A-Za-z0-9_-]+)$/.exec(id)?.[1];
  if (packed === undefined || id.length > MAX_LENGTH) return undefined;
  try {
    const bytes = inflateRawSync(Buffer.from(packed, 'base64url'), { dictionary, maxOutputLength: MAX_PARAMS });
    parseLine(bytes);
    return withFingerprint(bytes);
  } catch {
    return undefined;
  }
}
