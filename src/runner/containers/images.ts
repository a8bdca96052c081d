/** Which images may run: `runner.images`. */
import { GatehouseError } from '#core/error.ts';
import type { Image } from './engine.ts';

/**
 * `patterns`: names as they stand in definitions, where `*` is anything but a slash and `**` anything, or digests
 * (`sha256:…`); undefined: any that is here. A name without tag or digest allows all of that name.
 * Throws GatehouseError `forbidden`.
 */
export function checkImage(reference: string, image: Image, patterns: readonly string[] | undefined): void {
  if (patterns === undefined) return;
  const digests = [image.id, ...image.digests.map((digest) => digest.slice(digest.lastIndexOf('@') + 1))];
  if (patterns.some((pattern) => digests.includes(pattern) || matches(reference, pattern))) return;
  throw new GatehouseError('forbidden', {
    message: `The image ${JSON.stringify(reference.slice(0, 200))} is not in runner.images`,
  });
}

function matches(reference: string, pattern: string): boolean {
  const hasTag = /[:@][^/]*$/.test(pattern);
  const expression = pattern
    .split(/(\*{1,2})/)
    .map((part) => (part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')))
    .join('');
  return new RegExp(`^${expression}${hasTag ? '' : '(?:[:@][^/]*)?'}$`).test(reference);
}
