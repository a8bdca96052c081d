/** Where a browser goes after it signed in: a page of this very origin (SECURITY H4), whatever the address says. */

const longest = 1000;

/** `fallback` for everything that isn't a plain path of ours. Answers path and query; a fragment stays with the browser. */
export function parseNext(given: unknown, fallback: string): string {
  if (typeof given !== 'string' || given.length > longest) return fallback;
  // What browsers read as another host (`//`, `/\`), drop (tab, line feed) or decode is no path that our pages make.
  if (!/^\/(?![/\\])[A-Za-z0-9._~/?#=&%:@+,;!*'()-]*$/.test(given)) return fallback;
  const base = 'http://gatehouse.invalid';
  if (!URL.canParse(given, base)) return fallback;
  const { origin, pathname, search } = new URL(given, base);
  const isPage = /^\/(?:admin|mcp-admin|me)(?:\/|$)/.test(pathname);
  // Never back to the door itself, nor to what a visit alone would do.
  const isDoor = /^\/(?:mcp-)?admin\/(?:sign-in|signed-in|link|api)(?:\/|$)/.test(pathname);
  const isOdd = pathname.includes('//') || pathname.includes('\\') || /%(?:2f|5c|0[0-9a-f]|1[0-9a-f])/i.test(pathname);
  return origin === base && isPage && !isDoor && !isOdd ? pathname + search : fallback;
}
