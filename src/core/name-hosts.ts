/** `{name}.{BASE_DOMAIN}`: a host name of its own for each server and collection (DESIGN ruling 19). */
import { reservedNames } from './reserved.ts';

export interface NameHosts {
  /** `host`: lower case, as in a Host header. The name that it serves; undefined: no such host. Says nothing of whether it exists. */
  find(host: string): string | undefined;
  /** No trailing slash. */
  originOf(name: string): string;
  /** The organization (its slug) that this host is the domain of, and the host's origin. `host`: as for `find`. */
  organizationAt?(host: string): { readonly organization: string; readonly origin: string } | undefined;
}

export interface NameHostOptions {
  readonly domain: string;
  /** Scheme and port are the same on every host. */
  readonly baseUrl: string;
  /** Hosts below the domain that are something else. */
  readonly others: ReadonlySet<string>;
}

const label = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function openNameHosts({ domain, baseUrl, others }: NameHostOptions): NameHosts {
  const { protocol, port } = new URL(baseUrl);
  const suffix = `.${domain}${port === '' ? '' : `:${port}`}`;
  return {
    find(host) {
      if (!host.endsWith(suffix) || others.has(host)) return undefined;
      const name = host.slice(0, -suffix.length);
      return label.test(name) && !reservedNames.has(name) ? name : undefined;
    },
    originOf: (name) => `${protocol}//${name}${suffix}`,
  };
}
