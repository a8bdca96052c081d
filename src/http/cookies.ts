/** Cookies of our own pages (RFC 6265). Values are base64url or so: nothing is encoded or decoded. */

/** The first of that name; undefined also for one with characters that we never set. */
export function readCookie(header: string | undefined, name: string): string | undefined {
  for (const part of header?.split(';') ?? []) {
    const at = part.indexOf('=');
    if (at < 0 || part.slice(0, at).trim() !== name) continue;
    const value = part.slice(at + 1).trim();
    return /^[A-Za-z0-9._~-]{1,512}$/.test(value) ? value : undefined;
  }
  return undefined;
}

export interface CookieOptions {
  readonly secure: boolean;
  /** 0 removes it; undefined: until the browser closes. */
  readonly maxAgeSeconds?: number;
}

/** Whole site, not for scripts, and only on links that lead here: `Path=/` as `__Host-` demands. */
export function writeCookie(name: string, value: string, { secure, maxAgeSeconds }: CookieOptions): string {
  const age = maxAgeSeconds === undefined ? '' : `; Max-Age=${maxAgeSeconds}`;
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${age}${secure ? '; Secure' : ''}`;
}
