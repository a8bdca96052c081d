/** Identity providers by their variables: what those add to the file's `identity`. */
import type { Env } from '#config/environment.ts';
import { clerkVendor } from './clerk.ts';
import { entraVendor } from './entra.ts';
import { githubVendor } from './github.ts';
import { openWebuiVendor } from './open-webui.ts';
import { entryOf, isNamed, type Vendor } from './vendor.ts';
import { workosVendor } from './workos.ts';

const vendors: readonly Vendor[] = [workosVendor, clerkVendor, entraVendor, githubVendor, openWebuiVendor];

/** The file's value with every identity provider that its variables name, unless the file says more of it. */
export function withVendors(value: unknown, env: Env): unknown {
  return vendors.reduce((result, vendor) => withVendor(result, vendor, env), value);
}

/** Any variable of any identity provider is set. */
export function namesVendor(env: Env): boolean {
  return vendors.some((vendor) => isNamed(vendor, env));
}

function withVendor(value: unknown, vendor: Vendor, env: Env): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const given: unknown = 'identity' in value ? value.identity : undefined;
  if (given !== undefined && !Array.isArray(given)) return value;
  const listed: readonly unknown[] = given ?? [];
  const has = listed.some(
    (item) => typeof item === 'object' && item !== null && 'kind' in item && item.kind === vendor.kind,
  );
  const entry = has ? undefined : entryOf(vendor, env);
  if (entry === undefined) return value;
  const bound = vendor.binds ? bind(value) : { value };
  return { ...bound.value, identity: [...listed, { ...entry, ...bound.member }] };
}

/** Which organization is meant where variables can't say it. Of several, none: the file has to name one. */
function bind(value: object): { readonly value: object; readonly member?: { readonly organization: string } } {
  const given: unknown = 'organizations' in value ? value.organizations : undefined;
  if (given === undefined) {
    const organizations = [{ slug: soleOrganization, name: 'Default' }];
    return { value: { ...value, organizations }, member: { organization: soleOrganization } };
  }
  const listed: readonly unknown[] = Array.isArray(given) ? given : [];
  const [sole] = listed;
  if (listed.length !== 1 || typeof sole !== 'object' || sole === null || !('slug' in sole)) return { value };
  return typeof sole.slug === 'string' ? { value, member: { organization: sole.slug } } : { value };
}

const soleOrganization = 'default';
