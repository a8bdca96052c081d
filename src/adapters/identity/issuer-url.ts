/**
 * `path` below `base`, which may have a path of its own, with or without a trailing slash:
 * (`https://api.workos.com/auth/v1/`, `/oauth2/jwks`) is `https://api.workos.com/auth/v1/oauth2/jwks`.
 */
export function joinPath(base: string, path: string): string {
  const url = new URL(base);
  return `${url.origin}${url.pathname.replace(/\/+$/, '')}${path}`;
}

/** The well-known address of an issuer with the issuer's path after it (RFC 8414 3.1). */
export function wellKnownUrl(issuer: string, name: string): string {
  const url = new URL(issuer);
  return `${url.origin}/.well-known/${name}${url.pathname.replace(/\/+$/, '')}`;
}

/**
 * What an issuer that was configured as a URL may call itself: as written, or without the slash that URL tools put at
 * the end. Never with a slash that wasn't written.
 */
export function issuerSpellings(url: string): readonly string[] {
  return [...new Set([url, url.replace(/\/+$/, '')])];
}
