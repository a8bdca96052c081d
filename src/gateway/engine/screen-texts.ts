/**
 * What a filter finds in a message, taken out of it: in every text, key and number, in what is base64 of a text or written
 * with escapes and invisible characters, and in what is cut in two over neighbouring texts.
 */
import type { Match } from '#adapters/filter/filter.ts';
import { isJsonObject, type Json } from '#core/json.ts';

type Inspect = (text: string) => readonly Match[];

export const REDACTED = '[redacted]';

/** Names of what was found go into `found`. An equal value where nothing was. */
export function redact(value: Json, inspect: Inspect, found: Set<string>): Json {
  if (typeof value === 'string') return redactText(value, inspect, found);
  if (typeof value === 'number') return redactText(String(value), inspect, found) === String(value) ? value : REDACTED;
  if (Array.isArray(value)) {
    const seen = value.map((each) => redact(each, inspect, found));
    return redactJoined(seen, inspect, found);
  }
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, each]) => [redactText(key, inspect, found), redact(each, inspect, found)]),
  );
}

function redactText(text: string, inspect: Inspect, found: Set<string>): string {
  const plain = mask(text, namedIn(text, inspect, found));
  const decoded = maskEncoded(plain, inspect, { found, depth: MOST_LAYERS });
  const bare = bareText(decoded);
  // Where it is cannot be told in the text as it was written.
  return bare !== undefined && namedIn(bare, inspect, found).length > 0 ? REDACTED : decoded;
}

function namedIn(text: string, inspect: Inspect, found: Set<string>): readonly Match[] {
  const matches = inspect(text);
  for (const { name } of matches) found.add(name);
  return matches;
}

function mask(text: string, matches: readonly Pick<Match, 'start' | 'end'>[]): string {
  let out = '';
  let at = 0;
  for (const { start, end } of [...matches].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (end <= at) continue;
    out += text.slice(at, Math.max(at, start)) + (start >= at ? REDACTED : '');
    at = end;
  }
  return out + text.slice(at);
}

/** In lines, too, as MIME has it, and as JSON writes those in a text. */
const base64Runs = /[A-Za-z0-9+/_-]{4,}(?:(?:\r?\n|\\r\\n|\\n)[A-Za-z0-9+/_-]{4,})*={0,2}/g;
const MIN_BASE64 = 12;
const MOST_LAYERS = 3;

interface Layer {
  readonly found: Set<string>;
  /** Of base64 in base64. */
  readonly depth: number;
}

/** A text in base64 is still that text: where something is found in it, all of it goes. */
function maskEncoded(text: string, inspect: Inspect, { found, depth }: Layer): string {
  if (depth === 0 || text.length < MIN_BASE64) return text;
  const hits: { start: number; end: number }[] = [];
  for (const { 0: run, index } of text.matchAll(base64Runs)) {
    if (run.length < MIN_BASE64) continue;
    const isHit = readingsOf(run).some(
      (decoded) =>
        namedIn(decoded, inspect, found).length > 0 ||
        maskEncoded(decoded, inspect, { found, depth: depth - 1 }) !== decoded,
    );
    if (isHit) hits.push({ start: index, end: index + run.length });
  }
  return hits.length === 0 ? text : mask(text, hits);
}

const LONG_RUN = 24;

/** A word of prose may stand right before it, on the same line or the one above. */
function readingsOf(run: string): readonly string[] {
  const lines = run.split(/(?:\r?\n|\\r\\n|\\n)/);
  const whole = lines.join('');
  const shifted = whole.length < LONG_RUN ? [] : [whole.slice(1), whole.slice(2), whole.slice(3)];
  return [whole, ...(lines.length > 1 ? lines : []), ...shifted].map((text) =>
    Buffer.from(text, /[-_]/.test(text) ? 'base64url' : 'base64').toString('utf8'),
  );
}

const invisible = /[\p{Cf}\p{Default_Ignorable_Code_Point}]+/gu;
const escapes =
  /\\u([0-9a-fA-F]{4})|\\u\{([0-9a-fA-F]{1,6})\}|\\x([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|&#x([0-9a-fA-F]{1,6});|&#(\d{1,7});/g;
const printable = /^[\x20-\x7e\s]*$/;

/** As a reader takes it: escapes resolved, characters that are only another form of a letter written as it; undefined: it is so already. */
function bareText(text: string): string | undefined {
  const plain = text.replace(escapes, (whole, ...groups) => {
    const at = groups.slice(0, 6).findIndex((group) => group !== undefined);
    const code = Number.parseInt(String(groups[at]), at === 5 ? 10 : 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
  const bare = printable.test(plain) ? plain : plain.normalize('NFKC').replace(invisible, '');
  return bare === text ? undefined : bare;
}

/** Texts one after the other are read as one: blocks of content, or a list of strings. */
function redactJoined(seen: readonly Json[], inspect: Inspect, found: Set<string>): Json[] {
  const texts = seen.map((each) => (typeof each === 'string' ? each : textIn(each)) ?? '');
  if (texts.filter((text) => text !== '').length < 2) return [...seen];
  const starts: number[] = [];
  let length = 0;
  for (const text of texts) {
    starts.push(length);
    length += text.length;
  }
  const matches = namedIn(texts.join(''), inspect, found);
  if (matches.length === 0) return [...seen];
  return seen.map((each, i) => {
    const start = starts[i] ?? 0;
    const end = start + (texts[i] ?? '').length;
    if (end === start || !matches.some((match) => match.start < end && match.end > start)) return each;
    return isJsonObject(each) ? { ...each, text: REDACTED } : REDACTED;
  });
}

const textIn = (value: Json): string | undefined =>
  isJsonObject(value) && typeof value.text === 'string' ? value.text : undefined;
