import type { Json } from '#core/json.ts';

const secretKey =
  /authorization|cookie|api[-_]?key|token|secret|passw|credential|assertion|^code$|code_verifier|^state$|request_?state|private[-_]?key/i;
/** Well-known prefixes, JWTs, passwords inside URLs, keys in PEM (SECURITY 3.8). */
const secretText =
  /\b(?:sk[-_][\w-]{8,}|gh[a-z]_\w{8,}|github_pat_\w+|xox[abprs]-[\w-]+|AKIA[0-9A-Z]{12,}|eyJ[\w-]+\.[\w-]+\.?[\w-]*)|-----BEGIN [A-Z ]*PRIVATE KEY[\s\S]*|(?<=:\/\/[^/@\s:]{0,200}:)[^/@\s]+(?=@)/g;

/** Without what looks like a secret, by its key or by itself. */
export function redacted(value: Json, key = ''): Json {
  if (secretKey.test(key)) return '[redacted]';
  if (typeof value === 'string') return value.replace(secretText, '[redacted]');
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => redacted(item));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, redacted(member, name)]));
}
