/**
 * A strict JSON scanner over bytes (RFC 8259): accepts only what JSON.parse accepts and less. It refuses duplicate keys
 * (also escaped ones), `__proto__`, invalid UTF-8, a BOM, and whatever exceeds the limits, so that no two parsers behind
 * it can see different messages. It builds no values: callers get the places of members and splice bytes.
 */
import { isUtf8 } from 'node:buffer';
import { GatehouseError } from '#core/error.ts';

export interface JsonLimits {
  /** Nested containers. */
  readonly depth: number;
  /** Members of all objects together. */
  readonly keys: number;
  /** Values of all kinds together. */
  readonly tokens: number;
  /** Bytes of one string. */
  readonly stringBytes: number;
}

export const defaultJsonLimits: JsonLimits = { depth: 32, keys: 5000, tokens: 200_000, stringBytes: 1_048_576 };

/** Places of one object member; `end`s are exclusive. `key` is decoded. */
export interface Member {
  readonly key: string;
  readonly keyStart: number;
  readonly valueStart: number;
  readonly valueEnd: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;

/** 1: may stand unescaped inside a string. */
const plain = new Uint8Array(256).fill(1, 0x20);
plain[QUOTE] = 0;
plain[BACKSLASH] = 0;

function refuse(message: string): never {
  throw new GatehouseError('parse_error', { message: `Parse error: ${message}` });
}

function tooMuch(message: string): never {
  throw new GatehouseError('invalid_request', { message });
}

export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #limits: JsonLimits;
  #at = 0;
  #keys = 0;
  #tokens = 0;

  constructor(bytes: Buffer, limits: JsonLimits) {
    this.#bytes = bytes;
    this.#limits = limits;
  }

  /** Checks the whole document. `members` receives the top-level object's, `inner` those of its member named `innerKey`. */
  scanObject(innerKey: string): { readonly members: Member[]; readonly inner: Member[] | undefined } {
    const bytes = this.#bytes;
    if (!isUtf8(bytes)) refuse('the body is not valid UTF-8');
    this.#space();
    if (bytes[this.#at] === OPEN_ARRAY) {
      throw new GatehouseError('invalid_request', { message: 'Batch requests are not supported' });
    }
    if (bytes[this.#at] !== OPEN_OBJECT) {
      this.#value(1);
      this.#end();
      throw new GatehouseError('invalid_request', { message: 'The body must be a JSON-RPC object' });
    }
    const members: Member[] = [];
    let inner: Member[] | undefined;
    this.#object(1, members, (key) => {
      if (key !== innerKey || bytes[this.#at] !== OPEN_OBJECT) return false;
      inner = [];
      this.#object(2, inner, undefined);
      return true;
    });
    this.#end();
    return { members, inner };
  }

  /** The members of the object that starts at `start`, in a document already scanned. */
  membersAt(start: number): Member[] {
    this.#at = start;
    const members: Member[] = [];
    this.#object(1, members, undefined);
    return members;
  }

  #end(): void {
    this.#space();
    if (this.#at !== this.#bytes.length) refuse(`unexpected data at byte ${this.#at}`);
  }

  #space(): void {
    const bytes = this.#bytes;
    let at = this.#at;
    for (;;) {
      const byte = bytes[at];
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
      at++;
    }
    this.#at = at;
  }

  #value(depth: number): void {
    if (++this.#tokens > this.#limits.tokens) tooMuch(`The body has more than ${this.#limits.tokens} values`);
    const byte = this.#bytes[this.#at];
    if (byte === QUOTE) this.#string();
    else if (byte === OPEN_OBJECT) this.#object(depth, undefined, undefined);
    else if (byte === OPEN_ARRAY) this.#array(depth);
    else if (byte === 0x74) this.#word('true');
    else if (byte === 0x66) this.#word('false');
    else if (byte === 0x6e) this.#word('null');
    else this.#number();
  }

  #object(depth: number, members: Member[] | undefined, descend: ((key: string) => boolean) | undefined): void {
    if (depth > this.#limits.depth) tooMuch(`The body is nested deeper than ${this.#limits.depth} levels`);
    const bytes = this.#bytes;
    this.#at++;
    this.#space();
    if (bytes[this.#at] === CLOSE_OBJECT) {
      this.#at++;
      return;
    }
    const seen: string[] = [];
    let many: Set<string> | undefined;
    for (;;) {
      const keyStart = this.#at;
      const key = this.#key();
      if (many ? many.has(key) : seen.includes(key)) refuse('an object has the same key twice');
      if (many) many.add(key);
      else if (seen.push(key) > 12) many = new Set(seen);
      this.#space();
      if (bytes[this.#at] !== COLON) refuse(`expected ":" at byte ${this.#at}`);
      this.#at++;
      this.#space();
      const valueStart = this.#at;
      if (!descend?.(key)) this.#value(depth + 1);
      members?.push({ key, keyStart, valueStart, valueEnd: this.#at });
      this.#space();
      const next = bytes[this.#at++];
      if (next === CLOSE_OBJECT) return;
      if (next !== COMMA) refuse(`expected "," or "}" at byte ${this.#at - 1}`);
      this.#space();
    }
  }

  #array(depth: number): void {
    if (depth > this.#limits.depth) tooMuch(`The body is nested deeper than ${this.#limits.depth} levels`);
    const bytes = this.#bytes;
    this.#at++;
    this.#space();
    if (bytes[this.#at] === CLOSE_ARRAY) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#value(depth + 1);
      this.#space();
      const next = bytes[this.#at++];
      if (next === CLOSE_ARRAY) return;
      if (next !== COMMA) refuse(`expected "," or "]" at byte ${this.#at - 1}`);
      this.#space();
    }
  }

  #key(): string {
    if (this.#bytes[this.#at] !== QUOTE) refuse(`expected a key at byte ${this.#at}`);
    if (++this.#keys > this.#limits.keys) tooMuch(`The body has more than ${this.#limits.keys} keys`);
    const start = this.#at;
    const escaped = this.#string();
    const key = escaped
      ? decodeString(this.#bytes, start, this.#at)
      : this.#bytes.toString('utf8', start + 1, this.#at - 1);
    if (key === '__proto__') refuse('the key "__proto__" is not accepted');
    return key;
  }

  /** Leaves the place behind the closing quote; true when the string has escapes. */
  #string(): boolean {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start + 1;
    let escaped = false;
    for (;;) {
      let byte = bytes[at];
      while (byte !== undefined && plain[byte] === 1) byte = bytes[++at];
      if (byte === QUOTE) break;
      if (byte !== BACKSLASH) refuse('a string has a raw control character or does not end');
      escaped = true;
      at = this.#escape(at + 1);
    }
    if (at - start > this.#limits.stringBytes) tooMuch(`A string is longer than ${this.#limits.stringBytes} bytes`);
    this.#at = at + 1;
    return escaped;
  }

  #escape(at: number): number {
    const byte = this.#bytes[at];
    if (byte === 0x75) {
      for (let i = 1; i <= 4; i++) {
        const hex = this.#bytes[at + i] ?? 0;
        if (!((hex >= 0x30 && hex <= 0x39) || ((hex | 0x20) >= 0x61 && (hex | 0x20) <= 0x66)))
          refuse('a \\u escape is broken');
      }
      return at + 5;
    }
    if (byte === undefined || !'"\\/bfnrt'.includes(String.fromCharCode(byte)))
      refuse('a string has an unknown escape');
    return at + 1;
  }

  #word(word: string): void {
    for (let i = 0; i < word.length; i++) {
      if (this.#bytes[this.#at + i] !== word.charCodeAt(i)) refuse(`unexpected data at byte ${this.#at}`);
    }
    this.#at += word.length;
  }

  #number(): void {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    if (bytes[at] === 0x2d) at++;
    if (bytes[at] === 0x30) at++;
    else at = this.#digits(at, start);
    if (bytes[at] === 0x2e) at = this.#digits(at + 1, start);
    if (((bytes[at] ?? 0) | 0x20) === 0x65) {
      at++;
      if (bytes[at] === 0x2b || bytes[at] === 0x2d) at++;
      at = this.#digits(at, start);
    }
    this.#at = at;
  }

  #digits(from: number, start: number): number {
    let at = from;
    for (let byte = this.#bytes[at] ?? 0; byte >= 0x30 && byte <= 0x39; byte = this.#bytes[at] ?? 0) at++;
    if (at === from) refuse(`unexpected data at byte ${start}`);
    return at;
  }
}

/** The decoded text of the JSON string between `start` and `end` (quotes included). */
export function decodeString(bytes: Buffer, start: number, end: number): string {
  const text: unknown = JSON.parse(bytes.toString('utf8', start, end));
  return typeof text === 'string' ? text : '';
}

/** The string at a member's value, undefined if the value is not a string. */
export function memberString(bytes: Buffer, member: Member | undefined): string | undefined {
  if (!member || bytes[member.valueStart] !== QUOTE) return undefined;
  return decodeString(bytes, member.valueStart, member.valueEnd);
}

export function isObjectAt(bytes: Buffer, member: Member | undefined): boolean {
  return member !== undefined && bytes[member.valueStart] === OPEN_OBJECT;
}

export function isNullAt(bytes: Buffer, member: Member | undefined): boolean {
  return member !== undefined && bytes[member.valueStart] === 0x6e;
}

/** Lower case with the two non-ASCII letters that fold into ASCII (CVE-2026-27896): what a careless parser would equate. */
export function foldKey(key: string): string {
  return key.replaceAll('\u017f', 's').replaceAll('\u212a', 'k').toLowerCase();
}
