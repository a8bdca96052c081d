/**
 * URIs of resources where several servers are published together: which server one belongs to is written into it,
 * so that nothing must be remembered, and taken out again byte for byte.
 */

/** Fetched by clients themselves, or self-contained: never rewritten. */
const untouched = /^(https?|data):/i;
const literalScheme = /^([A-Za-z][A-Za-z0-9+.-]*):(\/\/)?/;
const published = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([A-Za-z0-9_-]+)\.(gatehouse|gatehouse-opaque)\/(.*)$/s;
const publishedBare = /^gatehouse:\/\/([A-Za-z0-9_-]+)\/(.*)$/s;

/**
 * Also for templates (RFC 6570): what they expand to decodes to what the server's own template would have expanded to.
 * `scheme://rest` → `scheme://{prefix}.gatehouse/rest`; `scheme:rest` → `scheme://{prefix}.gatehouse-opaque/rest`;
 * without a literal scheme (`{+uri}`) → `gatehouse://{prefix}/rest`; http, https, data and the empty prefix: unchanged.
 * `prefix`: letters, digits, `_`, `-`.
 */
export function encodeUri(prefix: string, uri: string): string {
  if (prefix === '' || untouched.test(uri)) return uri;
  const scheme = literalScheme.exec(uri);
  if (!scheme) return `gatehouse://${prefix}/${uri}`;
  const rest = uri.slice(scheme[0].length);
  return `${scheme[1]}://${prefix}.${scheme[2] ? 'gatehouse' : 'gatehouse-opaque'}/${rest}`;
}

export interface DecodedUri {
  readonly prefix: string;
  readonly uri: string;
}

/** Undefined: nothing that `encodeUri` with a prefix makes. */
export function decodeUri(uri: string): DecodedUri | undefined {
  if (untouched.test(uri)) return undefined;
  const [, scheme, prefix = '', kind, rest = ''] = published.exec(uri) ?? [];
  if (kind !== undefined) return { prefix, uri: `${scheme}:${kind === 'gatehouse' ? '//' : ''}${rest}` };
  const bare = publishedBare.exec(uri);
  return bare ? { prefix: bare[1] ?? '', uri: bare[2] ?? '' } : undefined;
}
