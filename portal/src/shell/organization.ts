/** Which organization is looked at: it is in the address, and the last one is remembered. */
import { useLocation } from 'wouter';

const key = 'gatehouse.organization';

export function useOptionalOrganization(): string | undefined {
  const [path] = useLocation();
  const slug = /^\/o\/([^/]+)/.exec(path)?.[1];
  return slug === undefined ? undefined : decodeURIComponent(slug);
}

/** The slug of the address. Throws outside an organization's pages. */
export function useOrganization(): string {
  const slug = useOptionalOrganization();
  if (slug === undefined) throw new Error('this page is of an organization');
  return slug;
}

export function rememberOrganization(slug: string): void {
  try {
    localStorage.setItem(key, slug);
  } catch {
    // Storage is off: the first one is chosen next time.
  }
}

/** Of these; undefined: there is none. */
export function lastOrganization(slugs: readonly string[]): string | undefined {
  let last: string | null = null;
  try {
    last = localStorage.getItem(key);
  } catch {
    // As above.
  }
  return last !== null && slugs.includes(last) ? last : slugs[0];
}
