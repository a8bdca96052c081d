/**
 * Header fields read once from the raw list. Node's parser joins or drops repeated fields silently; for whatever decides
 * something, a second copy is refused instead (SECURITY: first-wins differs between parsers).
 */
import { GatehouseError } from '#core/error.ts';

export interface RequestHeaders {
  readonly host: string | undefined;
  readonly authorization: string | undefined;
  readonly apiKey: string | undefined;
  readonly dpop: string | undefined;
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
  readonly accept: string | undefined;
  readonly origin: string | undefined;
  readonly userAgent: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly forwardedProto: string | undefined;
  readonly organization: string | undefined;
  readonly requestId: string | undefined;
  readonly sessionId: string | undefined;
  readonly protocolVersion: string | undefined;
  readonly mcpMethod: string | undefined;
  readonly mcpName: string | undefined;
  readonly lastEventId: string | undefined;
  readonly traceparent: string | undefined;
  /** `mcp-param-*` fields, lower-case names, in order: forwarded as they are (SEP-2243). */
  readonly params: readonly (readonly [string, string])[];
  readonly hasBody: boolean;
}

type Field = Exclude<keyof RequestHeaders, 'params' | 'hasBody'>;

/** Wire name → field; every one of these may stand only once. */
const single: ReadonlyMap<string, Field> = new Map([
  ['host', 'host'],
  ['authorization', 'authorization'],
  ['x-api-key', 'apiKey'],
  ['dpop', 'dpop'],
  ['content-type', 'contentType'],
  ['content-encoding', 'contentEncoding'],
  ['accept', 'accept'],
  ['origin', 'origin'],
  ['user-agent', 'userAgent'],
  ['x-forwarded-for', 'forwardedFor'],
  ['x-forwarded-proto', 'forwardedProto'],
  ['x-organization-id', 'organization'],
  ['x-request-id', 'requestId'],
  ['mcp-session-id', 'sessionId'],
  ['mcp-protocol-version', 'protocolVersion'],
  ['mcp-method', 'mcpMethod'],
  ['mcp-name', 'mcpName'],
  ['last-event-id', 'lastEventId'],
  ['traceparent', 'traceparent'],
]);

/** Proxies append to X-Forwarded-* by a second field, and Accept is a list by definition: these join. */
const joined: ReadonlySet<string> = new Set(['x-forwarded-for', 'x-forwarded-proto', 'accept']);

const MAX_FIELDS = 100;

function refuse(message: string): never {
  throw new GatehouseError('bad_request', { message });
}

/**
 * One literal, and nothing spread into it or added to it later: with more than a few fields V8 would make a hash table of
 * it, for every request.
 */
const noFields = (): { -readonly [K in keyof RequestHeaders]: RequestHeaders[K] } => ({
  host: undefined,
  authorization: undefined,
  apiKey: undefined,
  dpop: undefined,
  contentType: undefined,
  contentEncoding: undefined,
  accept: undefined,
  origin: undefined,
  userAgent: undefined,
  forwardedFor: undefined,
  forwardedProto: undefined,
  organization: undefined,
  requestId: undefined,
  sessionId: undefined,
  protocolVersion: undefined,
  mcpMethod: undefined,
  mcpName: undefined,
  lastEventId: undefined,
  traceparent: undefined,
  params: [],
  hasBody: false,
});

/** `raw`: Node's `rawHeaders` (name, value, name, value …). Throws GatehouseError `bad_request`. */
export function readHeaders(raw: readonly string[], httpVersion: string): RequestHeaders {
  if (raw.length > 2 * MAX_FIELDS) refuse(`More than ${MAX_FIELDS} header fields`);
  const found = noFields();
  let params: [string, string][] | undefined;
  let length: string | undefined;
  let coding: string | undefined;
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] ?? '').toLowerCase();
    const value = raw[i + 1] ?? '';
    const field = single.get(name);
    if (field) {
      const before = found[field];
      if (before === undefined) found[field] = value;
      else if (joined.has(name)) found[field] = `${before}, ${value}`;
      else refuse(`The header ${name} is sent more than once`);
    } else if (name === 'content-length') {
      if (length !== undefined) refuse('The header content-length is sent more than once');
      length = value;
    } else if (name === 'transfer-encoding') {
      if (coding !== undefined || value.toLowerCase() !== 'chunked' || httpVersion === '1.0')
        refuse('Only Transfer-Encoding: chunked is accepted');
      coding = value;
    } else if (name.startsWith('mcp-param-')) {
      params ??= [];
      for (const [other] of params) if (other === name) refuse(`The header ${name} is sent more than once`);
      params.push([name, value]);
    }
  }
  if (params) found.params = params;
  found.hasBody = coding !== undefined || (length !== undefined && length !== '0');
  return found;
}
