/** One JSON-RPC message as bytes: what routes it is located, and only what must change is replaced. */
import { JsonScanner, type Member, memberString } from '#mcp/json-scan.ts';
import { findMember } from '#mcp/message.ts';

export interface Line {
  readonly bytes: Buffer;
  readonly kind: 'request' | 'notification' | 'response';
  readonly method: string | undefined;
  readonly id: Member | undefined;
  readonly members: readonly Member[];
  /** Members of `params` where it is an object. */
  readonly params: readonly Member[] | undefined;
}

/** A child's line is at most 4 MiB; inside that, shape is the client's business. */
const limits = { depth: 256, keys: 2_000_000, tokens: 4_000_000, stringBytes: 8 * 1024 * 1024 };

/** Throws GatehouseError `parse_error` or `invalid_request` for what is not one JSON-RPC message. */
export function parseLine(bytes: Buffer): Line {
  const { members, inner } = new JsonScanner(bytes, limits).scanObject('params');
  const id = findMember(members, 'id');
  const method = memberString(bytes, findMember(members, 'method'));
  const kind = method === undefined ? 'response' : id ? 'request' : 'notification';
  return { bytes, kind, method, id, members, params: inner };
}

export function rawOf(line: Line, member: Member): Buffer {
  return line.bytes.subarray(member.valueStart, member.valueEnd);
}

/** Members of the object at `member`; none if it is not an object. */
export function membersOf(line: Line, member: Member | undefined): readonly Member[] {
  if (!member || line.bytes[member.valueStart] !== 0x7b) return [];
  return new JsonScanner(line.bytes, limits).membersAt(member.valueStart);
}

/** `params._meta[key]` or `result._meta[key]`. */
export function findMeta(line: Line, container: readonly Member[] | undefined, key: string): Member | undefined {
  return findMember(membersOf(line, findMember(container, '_meta')), key);
}

export interface Edit {
  readonly at: Member;
  readonly value: Buffer | string;
}

/** The bytes with the values at the given members replaced; all else digit for digit. */
export function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let from = 0;
  for (const { at, value } of [...edits].sort((a, b) => a.at.valueStart - b.at.valueStart)) {
    parts.push(bytes.subarray(from, at.valueStart), typeof value === 'string' ? Buffer.from(value) : value);
    from = at.valueEnd;
  }
  parts.push(bytes.subarray(from));
  return Buffer.concat(parts);
}

/** Without raw line ends (white space in valid JSON): framing by lines, and SSE, would break on them. */
export function onOneLine(bytes: Buffer): Buffer {
  if (!bytes.includes(0x0a) && !bytes.includes(0x0d)) return bytes;
  const copy = Buffer.from(bytes);
  for (let at = 0; at < copy.length; at++) if (copy[at] === 0x0a || copy[at] === 0x0d) copy[at] = 0x20;
  return copy;
}

/** An id that we minted: an integer without sign, fraction or exponent. */
export function mintedNumber(line: Line, member: Member | undefined): number | undefined {
  if (!member) return undefined;
  const length = member.valueEnd - member.valueStart;
  if (length > 15) return undefined;
  const text = line.bytes.toString('latin1', member.valueStart, member.valueEnd);
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

export function errorLine(id: Buffer | string, code: number, message: string, data?: unknown): Buffer {
  const error = JSON.stringify(data === undefined ? { code, message } : { code, message, data });
  return Buffer.from(`{"jsonrpc":"2.0","id":${id.toString()},"error":${error}}`);
}

export function notificationLine(method: string, params?: object): Buffer {
  return Buffer.from(JSON.stringify(params ? { jsonrpc: '2.0', method, params } : { jsonrpc: '2.0', method }));
}
