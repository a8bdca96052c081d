/**
 * Room 3: may this caller use this endpoint? The one order for every surface (DESIGN ruling 2): membership (403) →
 * existence (404, so that only members learn it) → role (403) → enablement. Nothing is allowed by being empty.
 */
import type { IdentityProvider, Membership } from '#adapters/identity/identity.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { type McpPath, otherSpelling } from '#core/mcp-path.ts';
import type { ApiKeyPrincipal, UserPrincipal } from '#core/principal.ts';
import type { HoldingStore } from '#records/holding-store.ts';
import { noHoldings } from '#records/holdings.ts';
import { type Endpoint, lineOf, type OrganizationSnapshot, type SnapshotStore } from '#records/snapshot.ts';
import { coversEndpoint, judgeAudience } from './audience.ts';
import type { Call } from './call.ts';
import { everythingOf } from './catalog/view.ts';
import type { Caller } from './identify.ts';
import { notEnabled } from './not-enabled.ts';
import type { Policies } from './rights/policies.ts';
import { holderOf, type Reach, reachOf } from './rights/reach.ts';
import { seeEndpoint } from './rights/seen.ts';

export interface Access {
  readonly organization: OrganizationSnapshot;
  /** As its caller sees it. */
  readonly endpoint: Endpoint;
  readonly reach: Reach;
}

export interface Wish {
  readonly path: McpPath;
  /** The X-Organization-Id header, a wish that is checked like any other. */
  readonly selector: string | undefined;
}

export interface AuthorizeDeps {
  readonly snapshots: SnapshotStore;
  readonly holdings: Pick<HoldingStore, 'find' | 'load'>;
  readonly policies: Policies;
}

type Question = Wish & AuthorizeDeps;

/** As far as the words say it; throws `invalid_token` for a token that is for something else. */
export function checkAudience({ audience }: Caller, { path, selector }: Wish): void {
  if (audience && judgeAudience(audience, path, selector !== undefined) === 'wrong')
    throw new GatehouseError('invalid_token');
}

/**
 * A value when all is in memory.
 * Throws or rejects `no_organization`, `not_member`, `unknown_endpoint`, `role_denied`, `identity_unavailable`, and
 * `invalid_token` where only an organization's other names tell that the token isn't for it.
 */
export function authorize(caller: Caller, question: Question): Access | Promise<Access> {
  const { path, selector, snapshots } = question;
  const wanted = path.organization ?? selector ?? ownOrganization(caller);
  if (wanted === undefined) return authorizeInSole(caller, question);
  const organization = snapshots.find(wanted);
  if (organization && caller.principal.kind === 'api-key')
    return authorizeKey(caller, caller.principal, { organization, question });
  return authorizeSlowly(caller, wanted, question);
}

/** Members' refusals are on their organization's record: these two are told to members only. */
export function refusedIn(
  { code }: GatehouseError,
  { principal, path, headers }: Call,
  snapshots: Pick<SnapshotStore, 'find'>,
): OrgId | undefined {
  if (!principal || (code !== 'role_denied' && code !== 'unknown_endpoint')) return undefined;
  const named = path.organization ?? headers?.organization ?? ownOrganization({ principal });
  return named === undefined ? undefined : snapshots.find(named)?.id;
}

function ownOrganization({ principal }: Pick<Caller, 'principal'>): string | undefined {
  return principal.kind === 'api-key' ? principal.org : principal.organization;
}

/** Nothing names an organization: it is the only one that the caller belongs to, or none. */
async function authorizeInSole(caller: Caller, question: Question): Promise<Access> {
  const { principal, provider, known } = caller;
  const listed =
    known?.organizations ??
    (principal.kind === 'user' ? await provider?.organizations?.(principal.subject) : undefined) ??
    [];
  if (known) known.organizations = listed;
  const [sole, ...others] = listed;
  if (sole === undefined || others.length > 0) throw new GatehouseError('no_organization');
  return authorizeSlowly(caller, sole, question);
}

async function authorizeSlowly(caller: Caller, wanted: string, question: Question): Promise<Access> {
  const { snapshots } = question;
  const organization = snapshots.find(wanted) ?? (await snapshots.load(wanted));
  const { principal } = caller;
  if (principal.kind === 'api-key') {
    if (!organization) throw new GatehouseError('not_member');
    return authorizeKey(caller, principal, { organization, question });
  }
  const roles = await findRoles(caller, principal, { wanted, organization });
  return authorizeMember(caller, { question, organization, roles });
}

/** undefined: no member. */
async function findRoles(
  { provider }: Caller,
  principal: UserPrincipal,
  { wanted, organization }: { readonly wanted: string; readonly organization: OrganizationSnapshot | undefined },
): Promise<readonly string[] | undefined> {
  if (provider?.memberships) {
    const named = nameFor(provider, wanted, organization);
    const found: Membership | undefined =
      named === undefined ? undefined : await provider.memberships(principal.subject, named);
    return found?.roles;
  }
  if (organization && principal.organization !== undefined && isNamed(organization, principal.organization))
    return principal.roles ?? [];
  return undefined;
}

/** An organization that is unknown here may still be one of the caller's: then "not found" tells nothing new. */
function nameFor(
  provider: IdentityProvider,
  wanted: string,
  organization: OrganizationSnapshot | undefined,
): string | undefined {
  if (provider.namesOrganizationsBy === 'id') return organization?.id;
  return organization ? organization.externalId : wanted;
}

function authorizeMember(
  caller: Caller,
  {
    question,
    organization,
    roles,
  }: {
    readonly question: Question;
    readonly organization: OrganizationSnapshot | undefined;
    readonly roles: readonly string[] | undefined;
  },
): Access | Promise<Access> {
  const { path, selector } = question;
  const isAlias = judgeAudience(caller.audience, path, selector !== undefined) === 'alias';
  // To others than members every name that isn't the token's own is as wrong as any.
  const refusal = new GatehouseError(isAlias ? 'invalid_token' : 'not_member');
  const enter = (own: readonly string[], isVouched: boolean) => {
    if (isAlias && !isAudience(caller, path, organization)) throw new GatehouseError('invalid_token');
    if (!organization) throw new GatehouseError('unknown_endpoint');
    return admit(caller, { question, organization, roles: own, isVouched, endpoints: undefined });
  };
  if (roles) return enter(roles, true);
  return findOwnRoles(caller, question, organization).then((own) => {
    if (!own) throw refusal;
    return enter(own, false);
  });
}

/** Of a member made here, whatever the identity provider says. */
async function findOwnRoles(
  caller: Caller,
  { holdings }: Pick<AuthorizeDeps, 'holdings'>,
  organization: OrganizationSnapshot | undefined,
): Promise<readonly string[] | undefined> {
  const holder = holderOf(caller, false);
  if (!organization || holder?.kind !== 'user' || caller.provider?.namesOrganizationsBy === 'id') return undefined;
  const { member } = holdings.find(organization.id, holder) ?? (await holdings.load(organization.id, holder));
  return member?.isOurs && member.active ? member.roles : undefined;
}

/** Towards the organization with this id, for what is no call; undefined: no member, or kept out. */
export async function rolesIn(
  caller: Caller,
  org: string,
  deps: Pick<AuthorizeDeps, 'snapshots' | 'holdings'>,
): Promise<readonly string[] | undefined> {
  const { principal } = caller;
  const organization = deps.snapshots.find(org) ?? (await deps.snapshots.load(org));
  if (!organization || principal.kind === 'api-key') return undefined;
  const roles = await findRoles(caller, principal, { wanted: org, organization });
  const holder = holderOf(caller, roles !== undefined);
  const held =
    holder && (deps.holdings.find(organization.id, holder) ?? (await deps.holdings.load(organization.id, holder)));
  if (held?.barred) return undefined;
  return roles ?? findOwnRoles(caller, deps, organization);
}

function isAudience(caller: Caller, path: McpPath, organization: OrganizationSnapshot | undefined): boolean {
  if (!organization) return false;
  const called = path.name === undefined ? undefined : findEndpoint(organization, path.name);
  return coversEndpoint(caller.audience, {
    isNamed: (name) => isNamed(organization, name),
    // Nothing has the name that was called: the words decide, and next its members hear that it isn't there.
    isEndpoint: (name) => (called ? findEndpoint(organization, name) === called : name === path.name),
    own: ownOrganization(caller),
  });
}

function authorizeKey(
  caller: Caller,
  key: ApiKeyPrincipal,
  { organization, question }: { readonly organization: OrganizationSnapshot; readonly question: Question },
): Access | Promise<Access> {
  if (key.org !== organization.id) throw new GatehouseError('not_member');
  return admit(caller, { question, organization, roles: key.roles, isVouched: true, endpoints: key.endpoints });
}

/**
 * What is under way at an endpoint goes on as long as what it reaches is still there: the server that was asked, or, of what
 * only listens, every server. Throws `not_enabled`.
 */
export function checkStillOpen(before: Endpoint, now: Endpoint, server: string | undefined): void {
  const open = new Set(placesOf(now).map(({ place }) => place));
  const closed = placesOf(before).find(
    ({ place, key }) => (server === undefined || key === server) && !open.has(place),
  );
  if (!closed) return;
  throw notEnabled(closed);
}

/**
 * What can be reached: a server; of everything a caller may use a server in its collection, since the same one is there by
 * another's rights, with another credential.
 */
function placesOf({
  kind,
  bindings,
  parts = [],
}: Endpoint): readonly { readonly place: string; readonly key: string }[] {
  const labels = kind === 'everything' ? parts : bindings.map((binding) => ({ binding, label: '' }));
  return labels.flatMap(({ binding: { server }, label }) =>
    server.enabled ? [{ place: `${label} ${lineOf(server)}`, key: server.key }] : [],
  );
}

/** Whether this is one of its names. */
export function isNamed({ id, slug, externalId }: OrganizationSnapshot, name: string): boolean {
  return name === externalId || name === slug || name === id;
}

function findEndpoint({ endpoints }: OrganizationSnapshot, name: string): Endpoint | undefined {
  return endpoints.get(name) ?? endpoints.get(otherSpelling(name));
}

interface Admitting {
  readonly question: Question;
  readonly organization: OrganizationSnapshot;
  readonly roles: readonly string[];
  /** Their identity provider says that they belong to it. */
  readonly isVouched: boolean;
  readonly endpoints: readonly string[] | undefined;
}

/** A value when what they hold is in memory. */
function admit(caller: Caller, admitting: Admitting): Access | Promise<Access> {
  const { question, organization } = admitting;
  checkClient(caller, organization);
  const holder = holderOf(caller, admitting.isVouched);
  const holdings = holder ? question.holdings.find(organization.id, holder) : noHoldings;
  if (holdings || !holder)
    return admitWith(reachOf(organization, { caller, ...admitting, holdings: holdings ?? noHoldings }), admitting);
  return question.holdings
    .load(organization.id, holder)
    .then((loaded) => admitWith(reachOf(organization, { caller, ...admitting, holdings: loaded }), admitting));
}

/** Members only learn of it. Throws `forbidden`. */
function checkClient({ principal }: Caller, { blockedClients }: OrganizationSnapshot): void {
  if (!blockedClients || principal.kind !== 'user') return;
  const { client_id: client } = principal.claims;
  if (typeof client === 'string' && blockedClients.has(client))
    throw new GatehouseError('forbidden', { message: 'Your organization does not let this application in' });
}

function admitWith(reach: Reach, { question, organization, endpoints }: Admitting): Access {
  const { barred } = reach.holdings;
  if (barred) throw new GatehouseError(barred === 'everywhere' ? 'invalid_token' : 'not_member');
  const { path, policies } = question;
  const asked = { reach, policies };
  if (path.name === undefined) return { organization, reach, endpoint: everythingOf(organization, asked) };
  const endpoint = findEndpoint(organization, path.name);
  if (!endpoint) throw new GatehouseError('unknown_endpoint');
  const seen = seeEndpoint(organization, endpoint, asked);
  if (!seen || (endpoints && !endpoints.includes(endpoint.name))) throw new GatehouseError('role_denied');
  return { organization, reach, endpoint: seen };
}
