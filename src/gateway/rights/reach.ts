/** Who somebody is towards one organization: all that decides about what they may use, apart from what there is. */
import type { GroupId } from '#core/ids.ts';
import type { Principal } from '#core/principal.ts';
import type { Caller } from '#gateway/identify.ts';
import type { Holder, Holdings } from '#records/holdings.ts';
import { directoryWords } from '#records/scim-links.ts';
import type { Group, OrganizationSnapshot } from '#records/snapshot.ts';

export interface Reach {
  readonly principal: Principal;
  readonly roles: readonly string[];
  /** Endpoint names that an API key is good for; undefined: all. */
  readonly endpoints: readonly string[] | undefined;
  readonly holdings: Holdings;
  /** The organization's groups that they are in, in the order in which groups decide. */
  readonly groups: readonly Group[];
  /** In MCP-Admin: grants are not asked for. */
  readonly isAdmin: boolean;
  /** Equal for equal roles, endpoints and holdings. */
  readonly key: string;
}

/** undefined: a program, which is in no group. */
export function holderOf({ principal, provider, userId }: Caller): Holder | undefined {
  if (principal.kind === 'api-key') return { kind: 'key', id: principal.keyId };
  if (userId !== undefined) return { kind: 'user', id: userId };
  if (!provider || provider.namesOrganizationsBy === 'id') return undefined;
  const { subject, claims } = principal;
  const words = directoryWords({
    kind: provider.kind,
    subject,
    email: principal.email,
    emailVerified: claims.email_verified === true || claims.email_verified === 'true',
    username: typeof claims.preferred_username === 'string' ? claims.preferred_username : undefined,
    // Their identity provider says itself that they belong to the organization that is asked about.
    isOwn: true,
  });
  return { kind: 'identity', provider: provider.name, subject, words };
}

interface ReachInput {
  readonly caller: Caller;
  readonly roles: readonly string[];
  readonly endpoints: readonly string[] | undefined;
  readonly holdings: Holdings;
}

export function reachOf(organization: OrganizationSnapshot, { caller, ...input }: ReachInput): Reach {
  const { roles, endpoints, holdings } = input;
  const claimed = claimedGroups(organization, caller);
  const groups = [...organization.groups.values()].filter(({ id }) => holdings.groups.has(id) || claimed.has(id));
  const isPlain = groups.length + holdings.key.length === 0;
  const key = isPlain
    ? JSON.stringify([[...roles].sort(), endpoints])
    : JSON.stringify([[...roles].sort(), endpoints, groups.map(({ id }) => id), holdings.key]);
  return { principal: caller.principal, ...input, groups, isAdmin: groups.some(({ builtin }) => builtin), key };
}

const none: ReadonlySet<GroupId> = new Set();

/** Groups that the identity provider's own token names, where its word is about this very organization. */
function claimedGroups(organization: OrganizationSnapshot, { principal, provider, userId }: Caller) {
  if (principal.kind !== 'user' || !provider || userId !== undefined) return none;
  const { groups } = principal.claims;
  const about = principal.organization ?? provider.organization;
  const { id, slug, externalId } = organization;
  if (!Array.isArray(groups) || about === undefined || ![id, slug, externalId].includes(about)) return none;
  const named = new Set<unknown>(groups);
  return new Set(
    [...organization.groups.values()].flatMap((group) =>
      group.externalId !== undefined && named.has(group.externalId) ? [group.id] : [],
    ),
  );
}
