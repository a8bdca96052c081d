/** What a Clerk session token says of the organization it was made in, in either version of the token. */
import { z } from 'zod';

type Claims = Readonly<Record<string, unknown>>;

export interface SessionOrganization {
  readonly id: string;
  readonly slug: string | undefined;
  /** With its prefix, e.g. `org:admin`. */
  readonly role: string | undefined;
  /** `org:<feature>:<permission>`. */
  readonly permissions: readonly string[];
}

const text = z.string().min(1);
const version1 = z.object({
  org_id: text,
  org_slug: z.string().optional(),
  org_role: text.optional(),
  org_permissions: z.array(z.string()).optional(),
});
const version2 = z.object({
  o: z.object({
    id: text,
    slg: z.string().optional(),
    rol: text.optional(),
    /** Names of permissions, and per feature of the organization a decimal whose bits pick from them. */
    per: z.string().optional(),
    fpm: z.string().optional(),
  }),
  fea: z.string().optional(),
});

/** Undefined where the session has no active organization. `claims` must have been verified. */
export function readOrganization(claims: Claims): SessionOrganization | undefined {
  if (claims.v === 2) {
    const parsed = version2.safeParse(claims).data;
    if (!parsed) return undefined;
    const { id, slg, rol, per, fpm } = parsed.o;
    const permissions = listPermissions({ features: parsed.fea ?? '', permissions: per ?? '', map: fpm ?? '' });
    return { id, slug: slg, role: rol === undefined ? undefined : `org:${rol}`, permissions };
  }
  const parsed = version1.safeParse(claims).data;
  if (!parsed) return undefined;
  const { org_id: id, org_slug: slug, org_role: role, org_permissions: permissions = [] } = parsed;
  return { id, slug, role, permissions };
}

/**
 * Feature i of the organization (scope `o`; `uo` and `ou` are the person's too) has permission j where bit j of the i-th
 * decimal is set. Decimals have a bit per permission and outgrow 2^53.
 */
function listPermissions({
  features,
  permissions,
  map,
}: {
  readonly features: string;
  readonly permissions: string;
  readonly map: string;
}): readonly string[] {
  const names = split(permissions);
  const masks = split(map).map((decimal) => (/^\d{1,400}$/.test(decimal) ? BigInt(decimal) : 0n));
  return organizationFeatures(features).flatMap((feature, index) => {
    const mask = masks[index] ?? 0n;
    return names
      .filter((name, bit) => name !== '' && ((mask >> BigInt(bit)) & 1n) === 1n)
      .map((name) => `org:${feature}:${name}`);
  });
}

function organizationFeatures(features: string): readonly string[] {
  return split(features).flatMap((entry) => {
    const [scope = '', ...name] = entry.split(':');
    return organizationScopes.has(scope) ? [name.join(':')] : [];
  });
}

const organizationScopes = new Set(['o', 'ou', 'uo']);

const split = (list: string): readonly string[] => (list === '' ? [] : list.split(',').map((entry) => entry.trim()));
