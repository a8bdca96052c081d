/**
 * What a proxy says of the request that it asks about, and which resource that is. The service behind may read a path more
 * generously than a URL parser does: where a generous reading leads elsewhere, it can't be told, and nothing is let in.
 */

export interface Forwarded {
  readonly url: URL;
  readonly method: string | undefined;
}

/**
 * The request as it came to the proxy: X-Forwarded-{Proto,Host,Uri} (Traefik, Caddy), or X-Original-URL (nginx, ingress).
 * A proxy sets one of the two and passes a client's copy of the other on: where both are there they must agree, so that
 * nobody chooses by a header of their own which resource they are judged for (REQUIREMENTS X1.4). undefined: can't be told.
 */
export function readForwarded(rawHeaders: readonly string[]): Forwarded | undefined {
  const fields = readOnce(rawHeaders);
  if (!fields) return undefined;
  const [host, uri, original] = [
    fields.get('x-forwarded-host'),
    fields.get('x-forwarded-uri'),
    fields.get('x-original-url'),
  ];
  const isForwarded = host !== undefined || uri !== undefined;
  const told = isForwarded ? parseUrl(`${fields.get('x-forwarded-proto')}://${host}${uri}`) : undefined;
  const asked = original === undefined ? undefined : parseUrl(original);
  if ((isForwarded && !told) || (original !== undefined && !asked)) return undefined;
  if (told && asked && told.href !== asked.href) return undefined;
  const url = told ?? asked;
  const methods = [fields.get('x-forwarded-method'), fields.get('x-original-method')];
  const [method, ...others] = new Set(methods.filter((one) => one !== undefined));
  return url && others.length === 0 ? { url, method } : undefined;
}

const names: ReadonlySet<string> = new Set([
  ...['x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-uri', 'x-forwarded-method'],
  ...['x-original-url', 'x-original-method'],
]);

/** undefined: one of them is there twice, and proxy and service may each believe another copy. */
function readOnce(rawHeaders: readonly string[]): ReadonlyMap<string, string> | undefined {
  const found = new Map<string, string>();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    if (!names.has(name)) continue;
    if (found.has(name)) return undefined;
    found.set(name, rawHeaders[i + 1] ?? '');
  }
  return found;
}

/** Only printable ASCII: a URL parser drops tabs and turns backslashes round, a service does not. */
const plainUrl = /^https?:\/\/[\w.:[\]-]{1,255}(\/[\x21\x24-\x3e\x40-\x5b\x5d-\x7e]*)(?:\?[\x21-\x7e]*)?$/;

function parseUrl(text: string): URL | undefined {
  const match = plainUrl.exec(text);
  if (!match || !URL.canParse(text)) return undefined;
  return readGenerously(match[1] ?? '') === undefined ? undefined : new URL(text);
}

/**
 * The path as the most generous service reads it: every escape decoded, also twice, parameters of segments (`;a=b`), case
 * and dots at the end of no meaning. undefined: nobody can say where it leads (`..`, `//`, an escaped slash).
 */
function readGenerously(path: string): string | undefined {
  const decoded = decodeWholly(path);
  if (decoded === undefined || decoded.split('/').length !== path.split('/').length) return undefined;
  if (/[\p{Cc}\\?#]/u.test(decoded)) return undefined;
  const segments = decoded.split('/').slice(1);
  const read = segments.map((segment) => trimEnd(segment.replace(/;.*$/s, '')));
  // An empty one is fine only where nothing follows it.
  if (read.some((segment, at) => segment === '' && (at < read.length - 1 || segments[at] !== ''))) return undefined;
  return `/${read.join('/')}`.toLowerCase();
}

/** Without dots and blanks at the end; by hand, since a pattern for it takes time that grows with the square. */
function trimEnd(segment: string): string {
  let end = segment.length;
  while (end > 0 && '. '.includes(segment.charAt(end - 1))) end--;
  return segment.slice(0, end);
}

const maxRounds = 4;

function decodeWholly(path: string): string | undefined {
  let text = path;
  for (let round = 0; round < maxRounds; round++) {
    try {
      const next = decodeURIComponent(text);
      if (next === text) return text;
      text = next;
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** The longest that the request is below; undefined: none, or another one for whoever reads the path generously. */
export function findResource(resources: readonly string[], { origin, pathname }: URL): string | undefined {
  const here = resources.filter((resource) => new URL(resource).origin === origin);
  const exact = longestAbove(here, pathname, (path) => path);
  const generous = longestAbove(here, readGenerously(pathname) ?? '', (path) => readGenerously(path) ?? path);
  return exact === generous ? exact : undefined;
}

function longestAbove(resources: readonly string[], path: string, read: (path: string) => string): string | undefined {
  const above = resources.filter((resource) => {
    const folder = read(new URL(resource).pathname).replace(/\/$/, '');
    return path === folder || path.startsWith(`${folder}/`);
  });
  return above.sort((one, other) => other.length - one.length)[0];
}
