/** Schemes that browsers run, read or dial by themselves. */
const denied = new Set([
  ...['javascript', 'data', 'file', 'vbscript', 'blob', 'about', 'filesystem', 'view-source', 'jar', 'resource'],
  ...['chrome', 'chrome-extension', 'moz-extension', 'ftp', 'ws', 'wss', 'mailto', 'tel', 'sms', 'intent', 'urn'],
]);
const loopback = /^(?:localhost|127\.0\.0\.1|\[::1\])$/;

/**
 * Of a form that a code may be sent to at all: https, http on loopback, or a private-use scheme (RFC 8252 7). Which of them
 * are this application's, Entra's registration says.
 */
export function isSafeRedirectUri(uri: string): boolean {
  if (uri.length > 2048 || /[\u0000-\u0020\u007f"<>\\^`{|}]/.test(uri) || uri.includes('#') || !URL.canParse(uri))
    return false;
  const { protocol, hostname, username, password } = new URL(uri);
  if (username !== '' || password !== '') return false;
  if (protocol === 'https:') return true;
  if (protocol === 'http:') return loopback.test(hostname);
  return !denied.has(protocol.slice(0, -1)) && !/^ms-/.test(protocol);
}
