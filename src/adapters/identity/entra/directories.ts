import type { IdentityDeps } from '#adapters/identity/identity.ts';
import { openRemoteKeys, type RemoteKeys } from '#adapters/identity/jwks.ts';
import type { EntraConfig } from './entra.ts';

export const loginUrl = 'https://login.microsoftonline.com';
/** Where personal Microsoft accounts live. */
export const consumersTenant = '9188040d-6c67-4c5b-b112-36a304b66dad';

type Tenants = Pick<EntraConfig, 'tenantId' | 'tenants' | 'organization'>;

/** One Entra directory that is let in. */
export interface Directory {
  readonly tenant: string;
  /** As the configuration names it; an organization's external id may be the directory's. */
  readonly organization: string;
  /** The own one: only its claims may name another organization. */
  readonly own: boolean;
  readonly keys: RemoteKeys;
}

export interface Directories {
  /** Every `iss` of theirs: of version 2.0 and of version 1.0 tokens. */
  readonly issuers: readonly string[];
  /** `issuer` to the letter. */
  findByIssuer(issuer: string | undefined): Directory | undefined;
}

/** Keys are asked for by directory, so that a token of another one can't pass for it, whatever its `iss` says. */
export function openDirectories(settings: Tenants, deps: IdentityDeps): Directories {
  const { tenantId } = settings;
  const byIssuer = new Map<string, Directory>();
  for (const [tenant, organization] of listed(settings)) {
    const keys = openRemoteKeys({ ...deps, url: `${loginUrl}/${tenant}/discovery/v2.0/keys` });
    const directory = { tenant, organization, own: tenant === tenantId, keys };
    byIssuer.set(`${loginUrl}/${tenant}/v2.0`, directory);
    byIssuer.set(`https://sts.windows.net/${tenant}/`, directory);
  }
  return {
    issuers: [...byIssuer.keys()],
    findByIssuer: (issuer) => (issuer === undefined ? undefined : byIssuer.get(issuer)),
  };
}

function listed({ tenantId, tenants, organization }: Tenants): ReadonlyMap<string, string> {
  const all = new Map(Object.entries(tenants));
  if (tenantId !== undefined && !all.has(tenantId)) all.set(tenantId, organization ?? tenantId);
  return all;
}

/** The path segment to sign in at: the one directory, or Microsoft's doors for several, behind which `tid` is checked. */
export function authorityOf(settings: Tenants): string {
  const tenants = [...listed(settings).keys()];
  const [only] = tenants;
  if (only !== undefined && tenants.length === 1) return only;
  return tenants.includes(consumersTenant) ? 'common' : 'organizations';
}
