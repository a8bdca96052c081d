type Claims = Readonly<Record<string, unknown>>;

/**
 * The claim of exactly this name, else the one a dotted path leads to: claim names may have dots themselves
 * (`https://example.com/roles`). Own properties only.
 */
export function findClaim(claims: Claims, path: string | undefined): unknown {
  if (path === undefined) return undefined;
  if (Object.hasOwn(claims, path)) return claims[path];
  let value: unknown = claims;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** Undefined for everything but a string with something in it. */
export function findText(claims: Claims, path: string | undefined): string | undefined {
  const value = findClaim(claims, path);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** A list of strings, or one string taken as a list of one; anything else counts as none. */
export function findTexts(claims: Claims, path: string): readonly string[] {
  const value = findClaim(claims, path);
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.filter((entry) => typeof entry === 'string').filter((entry) => entry !== '');
}

/** As findTexts, with one string split at blanks (RFC 6749 3.3). */
export function findScopes(claims: Claims, path: string): readonly string[] {
  return findTexts(claims, path).flatMap((entry) => entry.split(' ').filter((scope) => scope !== ''));
}
