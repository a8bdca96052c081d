/** An address that somebody else gave: https, or this gateway's own; undefined: anything else, which is no link. */
export function safeHref(url: string | null | undefined): string | undefined {
  if (url === null || url === undefined || !URL.canParse(url, window.location.origin)) return undefined;
  const parsed = new URL(url, window.location.origin);
  return parsed.protocol === 'https:' || parsed.origin === window.location.origin ? parsed.href : undefined;
}
