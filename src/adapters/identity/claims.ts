type Claims = Readonly<Record<string, unknown>>;

/**
 * The claim of exactly this name, else the one a dotted path leads to. Names on the way may have dots themselves
 * (`https://example.com/roles`, `resource_access.my.app.roles`): the longest that is there counts. Own properties only.
 */
export function findClaim(claims: Claims, path: string | undefined): unknown {
  return path === undefined ? undefined : findAt(claims, path.split('.').slice(0, maxSteps));
}

const maxSteps = 16;

function findAt(value: unknown, steps: readonly string[]): unknown {
  if (steps.length === 0) return value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (let length = steps.length; length > 0; length--) {
    const name = steps.slice(0, length).join('.');
    if (Object.hasOwn(value, name)) return findAt(Reflect.get(value, name), steps.slice(length));
  }
  return undefined;
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
