/** A caller in the words of policies: the claims of their token, and what is known of them live. */
import type { PolicyCaller } from '#adapters/policy/policy.ts';
import type { OrganizationSnapshot } from '#records/snapshot.ts';
import type { Reach } from './reach.ts';

type Named = Pick<OrganizationSnapshot, 'id' | 'slug' | 'externalId'>;

/** An API key is its own principal. Roles and groups of tokens that are issued here are read live, never from the token. */
export function policyCaller(organization: Named, reach: Reach): PolicyCaller {
  const { principal, roles } = reach;
  const live = { org: organization.slug, roles, groups: groupNames(reach) };
  if (principal.kind === 'api-key') {
    const subject = `key:${principal.keyId}`;
    return { subject, claims: { sub: subject, name: principal.name, ...live } };
  }
  const { subject, email, name, claims } = principal;
  const who = {
    sub: subject,
    ...(email === undefined ? {} : { email }),
    ...(name === undefined ? {} : { name }),
  };
  if (reach.isLive) return { subject, claims: { ...claims, ...who, ...live } };
  if (isElsewhere(organization, principal.organization)) {
    // What it says of another organization says nothing here.
    const own = Object.fromEntries(Object.entries(claims).filter(([claim]) => !organizational.test(claim)));
    return { subject, claims: { ...own, ...who, ...live } };
  }
  const isTold = groupClaims.some((claim) => Object.hasOwn(claims, claim));
  return { subject, claims: { org: organization.slug, ...(isTold ? {} : live), ...who, ...claims, sub: subject } };
}

/** Where ToolHive looks for groups. */
const groupClaims = ['groups', 'roles', 'cognito:groups'];
const organizational =
  /^(?:groups|roles?|permissions|entitlements|cognito:groups|o|fea|pla|realm_access|resource_access|wids|.*\borg(?:anization)?s?(?:_\w+)?|https?:.*)$/i;

function isElsewhere({ id, slug, externalId }: Named, named: string | undefined): boolean {
  return named !== undefined && named !== id && named !== slug && named !== externalId;
}

/** By their names here and by those that the identity provider has for them. */
function groupNames({ groups, holdings }: Reach): readonly string[] {
  const here = groups.flatMap(({ name, externalId }) => (externalId === undefined ? [name] : [name, externalId]));
  return [...new Set([...here, ...(holdings.named ?? [])])];
}
