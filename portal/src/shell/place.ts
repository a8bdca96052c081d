/** Which part of the portal this address is of, and what comes before its pages. */
export type Place = 'admin' | 'me';

export function placeOf(pathname: string): { readonly place: Place; readonly base: string } {
  const base = /^\/(?:mcp-admin|admin|me)(?=\/|$)/.exec(pathname)?.[0] ?? '/admin';
  return { place: base === '/me' ? 'me' : 'admin', base };
}

/** Links between the parts load the page anew, so it stays what it is. */
const found = placeOf(window.location.pathname);
/** `first`: of an organization's pages. */
export const here = { ...found, first: found.place === 'me' ? 'tools' : 'overview' } as const;
