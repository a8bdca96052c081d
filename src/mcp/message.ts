/** One JSON-RPC 2.0 message as the gateway reads it: what decides, and where it stands in the bytes. */
import { GatehouseError } from '#core/error.ts';
import { ownIn } from '#core/json.ts';
import {
  defaultJsonLimits,
  foldKey,
  isObjectAt,
  type JsonLimits,
  JsonScanner,
  type Member,
  memberString,
} from './json-scan.ts';

export interface Message {
  readonly bytes: Buffer;
  readonly kind: 'request' | 'notification' | 'response';
  /** Raw bytes of the id (a JSON string or number), undefined for notifications. */
  readonly id: Buffer | undefined;
  /** Undefined for responses. */
  readonly method: string | undefined;
  readonly members: readonly Member[];
  /** Members of `params` where it is an object. */
  readonly params: readonly Member[] | undefined;
  /** `params.name`, `params.uri` or `params.taskId`: what `Mcp-Name` mirrors (SEP-2243). */
  readonly name: string | undefined;
}

const envelopeKeys = ['jsonrpc', 'id', 'method', 'params', 'result', 'error'];
const paramsKeys = [
  ...['name', 'arguments', 'uri', '_meta', 'cursor', 'protocolVersion', 'capabilities', 'clientInfo', 'requestId'],
  ...['progressToken', 'inputResponses', 'requestState', 'taskId', 'task', 'ref', 'argument', 'context', 'level'],
];
const reserved = { envelope: foldTable(envelopeKeys), params: foldTable(paramsKeys) };

function foldTable(keys: readonly string[]): ReadonlyMap<string, string> {
  return new Map(keys.map((key) => [foldKey(key), key]));
}

/**
 * Parses one message. Throws GatehouseError `parse_error` (-32700) or `invalid_request` (-32600, also for batches,
 * which are refused for every revision).
 */
export function parseMessage(bytes: Buffer, limits: JsonLimits = defaultJsonLimits): Message {
  const { members, inner } = new JsonScanner(bytes, limits).scanObject('params');
  checkFolded(members, reserved.envelope);
  if (inner) checkFolded(inner, reserved.params);
  const version = findMember(members, 'jsonrpc');
  if (memberString(bytes, version) !== '2.0') invalid('jsonrpc must be "2.0"');
  const method = findMember(members, 'method');
  const result = findMember(members, 'result') ?? findMember(members, 'error');
  const id = idBytes(bytes, findMember(members, 'id'));
  if (method) {
    if (result) invalid('A message cannot be both a request and a response');
    const text = memberString(bytes, method);
    if (!text || text.length > 256) invalid('method must be a string');
    const params = findMember(members, 'params');
    if (params && !inner) invalid('params must be an object');
    return {
      bytes,
      kind: id ? 'request' : 'notification',
      id,
      method: text,
      members,
      params: inner,
      name: nameOf(bytes, text, inner),
    };
  }
  if (!result) invalid('The message has neither method nor result nor error');
  if (findMember(members, 'result') && findMember(members, 'error'))
    invalid('A response cannot have both result and error');
  if (!id) invalid('A response must have an id');
  return { bytes, kind: 'response', id, method: undefined, members, params: undefined, name: undefined };
}

function invalid(message: string): never {
  throw new GatehouseError('invalid_request', { message });
}

export function findMember(members: readonly Member[] | undefined, key: string): Member | undefined {
  if (members) for (const member of members) if (member.key === key) return member;
  return undefined;
}

function checkFolded(members: readonly Member[], names: ReadonlyMap<string, string>): void {
  for (const { key } of members) {
    const meant = names.get(key) ?? names.get(foldKey(key));
    if (meant !== undefined && meant !== key)
      invalid(`The key ${JSON.stringify(key.slice(0, 32))} is too like "${meant}"`);
  }
}

/** MCP: a string or a number, never null; its bytes are echoed unchanged. */
function idBytes(bytes: Buffer, member: Member | undefined): Buffer | undefined {
  if (!member) return undefined;
  const first = bytes[member.valueStart] ?? 0;
  const isNumber = first === 0x2d || (first >= 0x30 && first <= 0x39);
  if (first !== 0x22 && !isNumber) invalid('id must be a string or a number');
  if (member.valueEnd - member.valueStart > 1024) invalid('id is longer than 1024 bytes');
  return bytes.subarray(member.valueStart, member.valueEnd);
}

const nameKeys: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

function nameOf(bytes: Buffer, method: string, params: readonly Member[] | undefined): string | undefined {
  const key = ownIn(nameKeys, method);
  if (key === undefined) return undefined;
  const name = memberString(bytes, findMember(params, key));
  if (name === undefined) throw new GatehouseError('invalid_params', { message: `params.${key} must be a string` });
  return name;
}

/** The modern envelope (2026-07-28 basic: `_meta` of every request); undefined: the message has none. */
export interface Envelope {
  readonly version: string;
  readonly hasCapabilities: boolean;
}

export const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
/** A key may be spelt with escapes. */
const BACKSLASH = 0x5c;
const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';

export function findEnvelope(message: Message): Envelope | undefined {
  const meta = findMember(message.params, '_meta');
  if (!meta || !isObjectAt(message.bytes, meta)) return undefined;
  // Most legacy calls carry at most a progress token: don't walk their _meta.
  const raw = message.bytes.subarray(meta.valueStart, meta.valueEnd);
  if (raw.indexOf('modelcontextprotocol') < 0 && !raw.includes(BACKSLASH)) return undefined;
  const members = new JsonScanner(message.bytes, defaultJsonLimits).membersAt(meta.valueStart);
  const member = findMember(members, VERSION_KEY);
  if (!member) return undefined;
  const version = memberString(message.bytes, member);
  if (version === undefined) throw new GatehouseError('invalid_params', { message: `${VERSION_KEY} must be a string` });
  return { version, hasCapabilities: isObjectAt(message.bytes, findMember(members, CAPABILITIES_KEY)) };
}
