/** Addresses that others wrote: only https leads out of the portal; undefined: it is shown as text. */
export function safeHref(href: string | null | undefined): string | undefined {
  if (href === null || href === undefined || !URL.canParse(href)) return undefined;
  return new URL(href).protocol === 'https:' ? href : undefined;
}
