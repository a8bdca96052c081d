/** What may not be read in a log is taken out here (SECURITY 3.8): by the name of a field, and by the look of a text. */
import { hash } from 'node:crypto';

const redacted = '[redacted]';
const maxDepth = 6;

const secretNames = new Set([
  'cookie',
  'cookies',
  'code',
  'code_verifier',
  'codeverifier',
  'assertion',
  'state',
  'requeststate',
]);
const secretPart = /authorization|cookie|token|secret|passw|api-?_?key|assertion|credential|private-?_?key|set-cookie/i;
const sessionName = /^mcp-?_?session-?_?id$/i;

const secretText = new RegExp(
  [
    '\\b(?:bearer|basic|dpop)\\s+(?!auth)[\\w.~+/=-]{8,}',
    '\\beyJ[\\w-]{6,}(?:\\.[\\w-]*){0,4}',
    '\\bgw_(?:live|test)_\\w+',
    '\\bgw1\\.[\\w.-]+',
    '\\bsk[-_][\\w-]{8,}',
    '\\b(?:ghp|gho|ghu|ghs|ghr|github_pat)_\\w{8,}',
    '\\bxox[a-z]-[\\w-]+',
    '\\b(?:AKIA|ASIA)[A-Z0-9]{12,}',
    '-----BEGIN [A-Z ]*PRIVATE KEY-----[^]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)',
  ].join('|'),
  'gi',
);
const userInfo = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^\s/@?#]+@/gi;
const secretQuery =
  /([?&;](?:code|code_verifier|state|client_assertion|assertion|request|id_token_hint|[^=&?;\s]{0,40}(?:token|secret|passw|key)[^=&?;\s]{0,40})=)[^&\s#"']+/gi;
/** C0, DEL, C1 (terminal escapes), line separators, bidirectional overrides: none may reach a reader's terminal. */
const control = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

const suspicious = new RegExp(`${secretText.source}|${control.source}|[=@]`, 'i');

/** True if `scrubText` would certainly leave it as it is: one look instead of one for each field. */
export const isHarmless = (text: string): boolean => !suspicious.test(text);

/** A text without secrets and without control characters: one line, whatever a stranger put into it (I4). */
export function scrubText(text: string): string {
  return escapeControls(scrubSecrets(text));
}

function scrubSecrets(text: string): string {
  const plain = text.replace(secretText, redacted);
  return plain.includes('=') || plain.includes('@')
    ? plain.replace(userInfo, `$1${redacted}@`).replace(secretQuery, `$1${redacted}`)
    : plain;
}

const escapeControls = (text: string): string =>
  text.replace(control, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Log fields without secrets; what isn't plain data becomes its JSON or its class name. */
export function scrubFields(fields: object): Record<string, unknown> {
  return scrubEntries(fields, 0);
}

function scrubEntries(fields: object, depth: number): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) clean[escapeControls(name)] = scrubField(name, value, depth);
  return clean;
}

function scrubField(name: string, value: unknown, depth: number): unknown {
  if (value === null || value === undefined || typeof value === 'number' || typeof value === 'boolean') return value;
  const kind = kindOf(name);
  // A session id names who is logged in, but its hash is enough to follow it.
  if (kind === 'session') return `sha256:${hash('sha256', String(value), 'hex').slice(0, 12)}`;
  if (kind === 'secret') return redacted;
  return scrubValue(value, depth);
}

const kinds = new Map<string, 'session' | 'secret' | 'plain'>();

/** Field names are few and come again; those that don't are judged each time. */
function kindOf(name: string): 'session' | 'secret' | 'plain' {
  const known = kinds.get(name);
  if (known) return known;
  const secret = secretNames.has(name.toLowerCase()) || secretPart.test(name);
  const kind = sessionName.test(name) ? 'session' : secret ? 'secret' : 'plain';
  if (kinds.size < 1000) kinds.set(name, kind);
  return kind;
}

function scrubValue(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return scrubText(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
  if (depth >= maxDepth) return '[deep]';
  if (value instanceof Error) return scrubError(value, depth);
  if (value instanceof Date || value instanceof URL) return scrubText(String(value));
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, 100).map((item) => scrubValue(item, depth + 1));
  if ('toJSON' in value && typeof value.toJSON === 'function') return scrubValue(value.toJSON(), depth + 1);
  return scrubEntries(value, depth + 1);
}

/** The code of an error is a word of ours or of the system, not an OAuth code: it stays. Its other fields do not. */
function scrubError(error: Error, depth: number): Record<string, unknown> {
  const frames = error.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? [];
  return {
    type: scrubText(error.name),
    message: scrubText(error.message),
    ...('code' in error && (typeof error.code === 'string' || typeof error.code === 'number')
      ? { code: typeof error.code === 'string' ? scrubText(error.code) : error.code }
      : {}),
    stack: frames.map((line) => escapeControls(scrubSecrets(line))).join('\n'),
    ...(error.cause === undefined ? {} : { cause: scrubValue(error.cause, depth + 1) }),
    ...(error instanceof AggregateError ? { errors: scrubValue(error.errors, depth + 1) } : {}),
  };
}
