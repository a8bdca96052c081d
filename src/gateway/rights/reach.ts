/** Who somebody is towards one organization: all that decides about what they may use, apart from what there is. */
import type { IdentityProvider } from '#adapters/identity/identity.ts';
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
  /** What their token says of roles and groups is not what counts: it is issued here, or says nothing of them. */
  readonly isLive: boolean;
  /** Equal for equal roles, endpoints and holdings. */
  readonly key: string;
}

type Known = Pick<Caller, 'principal' | 'userId'> & {
  readonly provider: Pick<IdentityProvider, 'kind' | 'name' | 'namesOrganizationsBy'> | undefined;
};

/**
 * undefined: a program, which is in no group. `isVouched`: their identity provider says itself that they belong to the
 * organization that is asked about; else its directory knows them by a proved address only.
 */
export function holderOf({ principal, provider, userId }: Known, isVouched: boolean): Holder | undefined {
  if (principal.kind === 'api-key')
    return principal.userId === undefined
      ? { kind: 'key', id: principal.keyId }
      : { kind: 'user', id: principal.userId };
  if (!provider || provider.namesOrganizationsBy === 'id')
    return userId === undefined ? undefined : { kind: 'user', id: userId };
  const { subject, claims } = principal;
  const words = directoryWords({
    kind: provider.kind,
    subject,
    email: principal.email,
    emailVerified: claims.email_verified === true || claims.email_verified === 'true',
    username: typeof claims.preferred_username === 'string' ? claims.preferred_username : undefined,
    isOwn: isVouched,
  });
  return userId === undefined
    ? { kind: 'identity', provider: provider.name, subject, words }
    : { kind: 'user', id: userId, words };
}

interface ReachInput {
  readonly caller: Caller;
  readonly roles: readonly string[];
  readonly endpoints: readonly string[] | undefined;
  readonly holdings: Holdings;
}

interface Reached extends Omit<ReachInput, 'caller'> {
  readonly organization: OrganizationSnapshot;
  readonly provider: Caller['provider'];
  readonly reach: Reach;
}

/** The last of each principal, which is the same object as long as its credential is remembered. */
const reached = new WeakMap<Principal, Reached>();

export function reachOf(organization: OrganizationSnapshot, input: ReachInput): Reach {
  const { principal, provider } = input.caller;
  const { roles, endpoints, holdings } = input;
  const known = reached.get(principal);
  if (
    known?.organization === organization &&
    known.holdings === holdings &&
    known.roles === roles &&
    known.endpoints === endpoints &&
    known.provider === provider
  )
    return known.reach;
  const reach = makeReach(organization, input);
  reached.set(principal, { organization, provider, roles, endpoints, holdings, reach });
  return reach;
}

function makeReach(organization: OrganizationSnapshot, { caller, roles, endpoints, holdings }: ReachInput): Reach {
  const groups = groupsOf(organization, holdings, claimedGroups(organization, caller));
  const isPlain = groups.length + holdings.key.length === 0;
  const key = isPlain
    ? JSON.stringify([[...roles].sort(), endpoints])
    : JSON.stringify([[...roles].sort(), endpoints, groups.map(({ id }) => id), holdings.key]);
  const isAdmin = groups.some(({ builtin }) => builtin);
  const isLive = caller.provider?.namesOrganizationsBy === 'id';
  return { principal: caller.principal, roles, endpoints, holdings, groups, isAdmin, isLive, key };
}

const none: ReadonlySet<GroupId> = new Set();
const noGroups: readonly Group[] = [];

interface Ordered {
  readonly organization: OrganizationSnapshot;
  readonly groups: readonly Group[];
}

/** An organization may have thousands: they are gone through once for each holder, not for each call. */
const ordered = new WeakMap<Holdings, Ordered>();

function groupsOf(
  organization: OrganizationSnapshot,
  holdings: Holdings,
  claimed: ReadonlySet<GroupId>,
): readonly Group[] {
  if (holdings.groups.size + claimed.size === 0) return noGroups;
  const known = claimed.size === 0 ? ordered.get(holdings) : undefined;
  if (known?.organization === organization) return known.groups;
  const groups = [...organization.groups.values()].filter(({ id }) => holdings.groups.has(id) || claimed.has(id));
  if (claimed.size === 0) ordered.set(holdings, { organization, groups });
  return groups;
}

/** Groups that the identity provider's own token names, where its word is about this very organization. */
function claimedGroups(organization: OrganizationSnapshot, { principal, provider }: Caller) {
  if (principal.kind !== 'user' || !provider || provider.namesOrganizationsBy === 'id') return none;
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
