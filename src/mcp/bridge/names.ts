/** Names of tools and prompts where several servers are published together. */
import { createHash } from 'node:crypto';

const maxLength = 128;
const allowed = /^[A-Za-z0-9_.-]{1,128}$/;

/**
 * `{prefix}_{name}`: a pure function of both, at most 128 characters of `A-Z a-z 0-9 _ . -` (2026-07-28 server/tools).
 * A name outside of that is cut and ends in a hash of the whole. An empty prefix leaves the name as it is.
 */
export function publishName(prefix: string, name: string): string {
  if (prefix === '') return name;
  const whole = `${prefix}_${name}`;
  if (allowed.test(whole)) return whole;
  const hash = createHash('sha256').update(whole).digest('hex').slice(0, 12);
  const kept = whole.replace(/[^A-Za-z0-9_.-]/gu, '_').slice(0, maxLength - hash.length - 1);
  return `${kept}_${hash}`;
}
