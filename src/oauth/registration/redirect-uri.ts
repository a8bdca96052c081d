/**
 * Which redirect URIs a client may name (RFC 8252 7, RFC 9700 4.1): https, http on a loopback address, an application's
 * own scheme, or "out of band" for tools that have nowhere to be sent. Comparing at /authorize is the library's: byte by
 * byte, save the port on loopback.
 */
export type RedirectKind = 'https' | 'loopback' | 'private' | 'out-of-band';

/** The code is shown on a page instead of being sent anywhere (once Google's, still used by tools). */
export const outOfBand = 'urn:ietf:wg:oauth:2.0:oob';

const maxLength = 2048;
/** Spelled as browsers and the URL standard leave it: what is compared is what is shown and where people are sent. */
const loopback = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?(?:[/?]|$)/;
const https = /^https:\/\/[^/?]/;
const privateUse = /^([a-z][a-z0-9+.-]+):./;

/** Run or show what they carry, reach local files or other programs, or are a protocol's own: never an application's. */
const deniedSchemes: ReadonlySet<string> = new Set([
  ...['about', 'blob', 'cid', 'data', 'file', 'filesystem', 'ftp', 'ftps', 'gopher', 'http', 'https', 'ws', 'wss'],
  ...['javascript', 'jscript', 'livescript', 'mocha', 'vbscript', 'view-source', 'wyciwyg', 'mhtml', 'jar', 'res'],
  ...['resource', 'chrome', 'content', 'android-app', 'intent', 'ms-appx', 'ms-appx-web', 'ms-msdt', 'search-ms'],
  ...['mailto', 'tel', 'sms', 'smsto', 'mms', 'ssh', 'sftp', 'telnet', 'ldap', 'ldaps', 'smb', 'nfs', 'dict', 'urn'],
]);

/** undefined: not one that a client may name. */
export function redirectKindOf(uri: string): RedirectKind | undefined {
  if (uri === outOfBand) return 'out-of-band';
  // Printable ASCII only, and none of the characters that parsers disagree on (SECURITY S6); no fragment, no wildcard.
  if (uri.length > maxLength || !/^[!-~]+$/.test(uri) || /[\\#*<>"^`{|}]/.test(uri)) return undefined;
  const parsed = URL.parse(uri);
  if (!parsed || `${parsed.username}${parsed.password}` !== '') return undefined;
  if (loopback.test(uri)) return 'loopback';
  if (https.test(uri)) return isPlainHost(uri, parsed) ? 'https' : undefined;
  const [, scheme = ''] = privateUse.exec(uri.toLowerCase()) ?? [];
  return scheme !== '' && !deniedSchemes.has(scheme) ? 'private' : undefined;
}

/** The host as written is the host as understood, save for case: no %2e, no full-width dot, no `@`. */
function isPlainHost(uri: string, { hostname, port }: URL): boolean {
  const [authority = ''] = uri.slice('https://'.length).split(/[/?]/);
  const written = authority.toLowerCase();
  return hostname !== '' && (written === hostname || written === `${hostname}:${port === '' ? '443' : port}`);
}
