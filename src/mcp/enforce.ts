/**
 * Enforced arguments: the collection's object is shallow-merged over what the caller sent, the collection winning.
 * Works on bytes: what the caller sent beside the enforced keys goes out digit for digit. Every shape that can't be
 * merged is refused, never let through.
 */
import { GatehouseError } from '#core/error.ts';
import { defaultJsonLimits, foldKey, isNullAt, isObjectAt, JsonScanner, type Member } from './json-scan.ts';
import { findMember, type Message } from './message.ts';

/** argument name → object merged over the caller's. */
export type EnforcedArguments = ReadonlyMap<string, Readonly<Record<string, unknown>>>;

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The bytes of a `tools/call` with `enforced` applied. Throws GatehouseError `enforcement_failed` (-32602). */
export function enforceArguments(message: Message, enforced: EnforcedArguments): Buffer {
  const { bytes } = message;
  const params = message.params;
  if (!params) throw new GatehouseError('enforcement_failed');
  const args = findMember(params, 'arguments');
  if (!args) {
    const name = findMember(params, 'name');
    if (!name) throw new GatehouseError('enforcement_failed');
    return splice(bytes, [{ start: name.keyStart, end: name.keyStart, text: `"arguments":${wholeObject(enforced)},` }]);
  }
  if (isNullAt(bytes, args)) {
    return splice(bytes, [{ start: args.valueStart, end: args.valueEnd, text: wholeObject(enforced) }]);
  }
  if (!isObjectAt(bytes, args)) refuse('arguments must be an object');
  const members = membersAt(bytes, args);
  refuseLookalikes(members, [...enforced.keys()]);
  const edits: Edit[] = [];
  const added: string[] = [];
  for (const [name, value] of enforced) {
    const member = findMember(members, name);
    if (member)
      edits.push({ start: member.valueStart, end: member.valueEnd, text: mergedObject(bytes, member, value) });
    else added.push(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
  }
  if (added.length > 0) {
    const at = args.valueStart + 1;
    edits.push({ start: at, end: at, text: added.join(',') + (members.length > 0 ? ',' : '') });
  }
  return splice(bytes, edits);
}

function refuse(message: string): never {
  throw new GatehouseError('enforcement_failed', { message });
}

function membersAt(bytes: Buffer, member: Member): Member[] {
  return new JsonScanner(bytes, defaultJsonLimits).membersAt(member.valueStart);
}

function wholeObject(enforced: EnforcedArguments): string {
  return JSON.stringify(Object.fromEntries(enforced));
}

function mergedObject(bytes: Buffer, member: Member, value: Readonly<Record<string, unknown>>): string {
  const own = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${JSON.stringify(item)}`);
  if (isNullAt(bytes, member)) return `{${own.join(',')}}`;
  if (!isObjectAt(bytes, member)) refuse(`arguments.${member.key} must be an object`);
  const members = membersAt(bytes, member);
  const keys = Object.keys(value);
  refuseLookalikes(members, keys);
  const kept = members
    .filter(({ key }) => !keys.includes(key))
    .map(({ keyStart, valueEnd }) => bytes.toString('utf8', keyStart, valueEnd));
  return `{${[...kept, ...own].join(',')}}`;
}

/** A key that a careless parser upstream would take for an enforced one could widen it. */
function refuseLookalikes(members: readonly Member[], keys: readonly string[]): void {
  const folded = new Map(keys.map((key) => [looseName(key), key]));
  for (const { key } of members) {
    const meant = folded.get(looseName(key));
    if (meant !== undefined && meant !== key)
      refuse(`${JSON.stringify(key.slice(0, 32))} is too like the enforced "${meant}"`);
  }
}

/** Normalising takes time that grows with the square of the length: a megabyte of combining marks takes minutes. */
const MAX_NORMALIZED = 128;
const printableAscii = /^[\x21-\x7e]*$/;

/**
 * What a careless reader might take a name for: case, compatibility forms, white space, controls and invisible
 * characters gone. Throws `enforcement_failed` for names that are too long to be looked at.
 */
export function looseName(name: string): string {
  if (printableAscii.test(name)) return name.toLowerCase();
  if (name.length > MAX_NORMALIZED) refuse(`A name is longer than ${MAX_NORMALIZED} characters`);
  return foldKey(name.normalize('NFKC').replace(/[\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]+/gu, ''));
}

function splice(bytes: Buffer, edits: readonly Edit[]): Buffer {
  const parts: Buffer[] = [];
  let at = 0;
  for (const { start, end, text } of [...edits].sort((a, b) => a.start - b.start)) {
    parts.push(bytes.subarray(at, start), Buffer.from(text));
    at = end;
  }
  parts.push(bytes.subarray(at));
  return Buffer.concat(parts);
}

/**
 * What is enforced on this tool. A name that is only nearly that of a filtered tool is refused: an upstream that
 * trims, cuts or folds names would run the tool unfiltered.
 */
export function findEnforced<T>(name: string, all: ReadonlyMap<string, T>): T | undefined {
  const exact = all.get(name);
  if (exact || all.size === 0) return exact;
  const loose = looseNames(name);
  for (const tool of all.keys()) {
    if (loose.includes(looseName(tool)))
      throw new GatehouseError('enforcement_failed', { message: 'Unknown tool name' });
  }
  return undefined;
}

/** What a careless server might take a tool's name for, also where it reads up to a NUL. Throws `enforcement_failed`. */
export function looseNames(name: string): readonly string[] {
  const end = name.indexOf('\0');
  return end < 0 ? [looseName(name)] : [looseName(name), looseName(name.slice(0, end))];
}
