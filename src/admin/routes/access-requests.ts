/** What people ask for, and what administrators make of it: a grant to the person, or a word. */
import { type Actor, getOrganization, personIn } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { Requestable } from '#admin/me-nouns.ts';
import { oneOf } from '#admin/people-nouns.ts';
import { findPlaces } from '#admin/policy-places.ts';
import type { OrganizationRow } from '#admin/records.ts';
import { sliceOf, time } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import { asServerId } from '#core/ids.ts';
import {
  type AccessRequest,
  getAccessRequest,
  insertAccessRequest,
  listAccessRequests,
  noteGrant,
  type RequestFilter,
  settleAccessRequest,
} from '#records/access-requests.ts';
import { listGrants, putGrant } from '#records/grants.ts';
import { findTarget } from './grants.ts';
import { roomsOf, selfOf } from './me.ts';

type Names =
  | 'listRequestable'
  | 'listMyRequests'
  | 'createAccessRequest'
  | 'withdrawRequest'
  | 'listAccessRequests'
  | 'approveRequest'
  | 'refuseRequest';

const of = oneOf(['server', 'collection']);

export function accessRequestHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  const { records, clock } = deps;
  const open = (actor: Actor, ref: string) => getOrganization(records, actor, ref);
  const page = async (organization: OrganizationRow, { cursor, limit, ...filter }: Asked) => {
    const found = await records.asPlatform((scope) =>
      listAccessRequests(scope, organization.id, { ...filter, limit: limit + 1, after: afterIn(cursor) }),
    );
    const items = found.slice(0, limit).map((row) => shown(row, organization));
    return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null };
  };
  return {
    async listRequestable({ organization: ref, ...slice }, actor) {
      const organization = await open(actor, ref);
      const mine = await roomsOf(deps).endpoints(selfOf(personIn(actor)));
      return sliceOf(await requestableIn(deps, organization, new Set(mine.map(({ name }) => name))), slice);
    },
    async listMyRequests({ organization: ref, ...filter }, actor) {
      return page(await open(actor, ref), { ...filter, userId: personIn(actor).userId });
    },
    async createAccessRequest({ organization: ref, server, collection, tools, reason }, actor) {
      const organization = await open(actor, ref);
      const { userId } = personIn(actor);
      if (!of.check({ server, collection }))
        throw new GatehouseError('bad_request', { message: `The request ${of.error}` });
      if (tools && server === undefined)
        throw new GatehouseError('bad_request', { message: 'Tools are of a server: name that one' });
      const target = await records.within(organization.id, (scope) => findTarget(scope, { server, collection }));
      if (target.serverId !== undefined) {
        const enablement = await records.findEnablement(organization.id, asServerId(target.serverId));
        if (!enablement?.enabled)
          throw new GatehouseError('not_found', { message: 'This server is not enabled for your organization' });
      }
      const row = await records.asPlatform((scope) =>
        insertAccessRequest(scope, organization.id, { ...target, userId, tools, reason }),
      );
      return shown(row, organization);
    },
    async withdrawRequest({ organization: ref, id }, actor) {
      const organization = await open(actor, ref);
      const { userId } = personIn(actor);
      const row = await records.asPlatform(async (scope) => {
        const found = await getAccessRequest(scope, organization.id, id);
        if (found.userId !== userId) throw new GatehouseError('not_found', { message: 'There is no such request' });
        return settleAccessRequest(
          scope,
          { org: organization.id, id: found.id },
          { state: 'withdrawn', decidedBy: userId, nowMs: clock.now() },
        );
      });
      return shown(row, organization);
    },
    async listAccessRequests({ organization: ref, user, ...filter }, actor) {
      return page(await open(actor, ref), { ...filter, userId: user });
    },
    approveRequest: (input, actor) => approve(deps, input, actor),
    async refuseRequest({ organization: ref, id, word }, actor) {
      const organization = await open(actor, ref);
      const settled = { state: 'refused', word, decidedBy: deciderOf(actor), nowMs: clock.now() } as const;
      const row = await records.asPlatform((scope) =>
        settleAccessRequest(scope, { org: organization.id, id }, settled),
      );
      return shown(row, organization);
    },
  };
}

interface Approval {
  readonly organization: string;
  readonly id: string;
  readonly word?: string | undefined;
  readonly tools?: readonly string[] | undefined;
}

/** Nobody gives themselves what they asked for, and nobody more than was asked. */
async function approve({ records, clock }: AdminDeps, { organization: ref, id, word, tools }: Approval, actor: Actor) {
  const organization = await getOrganization(records, actor, ref);
  const { id: org } = organization;
  const asked = await records.asPlatform((scope) => getAccessRequest(scope, org, id));
  const decidedBy = deciderOf(actor);
  if (decidedBy === asked.userId && actor.kind !== 'platform')
    throw new GatehouseError('forbidden', { message: 'Another administrator decides what you asked for yourself' });
  const { tools: wanted } = asked;
  const isMore = wanted !== undefined && tools?.some((name) => !wanted.includes(name));
  if (isMore || (tools && asked.server === undefined))
    throw new GatehouseError('bad_request', { message: 'tools can only be fewer of those that were asked for' });
  const given = tools ?? asked.tools;
  const settled = { state: 'approved', word, decidedBy, tools: given, nowMs: clock.now() } as const;
  return records.asPlatform(async (scope) => {
    const row = await settleAccessRequest(scope, { org, id }, settled);
    const within = { kind: 'organization', org, tx: scope.tx } as const;
    const before = (await listGrants(within)).find(
      (one) => one.userId === asked.userId && one.server === asked.server && one.collection === asked.collection,
    );
    // What they had stays theirs.
    const isAll = given === undefined || (before !== undefined && before.tools === undefined);
    const tools = isAll ? undefined : [...new Set([...(before?.tools ?? []), ...(given ?? [])])];
    const { serverId, collectionId } = asked;
    const grant = await putGrant(within, { to: { userId: asked.userId }, of: { serverId, collectionId }, tools });
    await noteGrant(scope, { org, id: row.id, grantId: grant.id });
    return shown({ ...row, grantId: grant.id }, organization);
  });
}

const deciderOf = (actor: Actor): string | undefined => (actor.kind === 'key' ? undefined : actor.userId);

interface Asked extends Omit<RequestFilter, 'after'> {
  readonly cursor?: string | undefined;
}

function afterIn(cursor: string | undefined): string | undefined {
  if (cursor === undefined || /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(cursor)) return cursor;
  throw new GatehouseError('bad_request', { message: 'cursor is not one of ours' });
}

/** Enabled servers and collections: members may know what there is (DESIGN ruling 2). */
async function requestableIn(
  { records }: AdminDeps,
  organization: OrganizationRow,
  mine: ReadonlySet<string>,
): Promise<readonly Requestable[]> {
  const { collections, tools } = await findPlaces(records, organization);
  const found: Requestable[] = collections.map(({ name }) => ({
    ...{ kind: 'collection', name, title: name, tools: [], isOpen: mine.has(name) },
  }));
  for (const { id, key, title, active } of await records.listServersOf(organization.id)) {
    const enablement = active === false ? undefined : await records.findEnablement(organization.id, asServerId(id));
    if (!enablement?.enabled) continue;
    const names = (tools.get(id) ?? []).map(({ name }) => String(name)).sort();
    found.push({ kind: 'server', name: key, title, tools: names, isOpen: mine.has(key) });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function shown(row: AccessRequest, { slug }: OrganizationRow) {
  return {
    ...{ id: row.id, organization: slug, user: row.userId, email: row.email ?? null, name: row.name ?? null },
    ...{ server: row.server ?? null, collection: row.collection ?? null, tools: row.tools ? [...row.tools] : null },
    ...{ reason: row.reason, state: row.state, word: row.word ?? null, decidedBy: row.decidedBy ?? null },
    createdAt: new Date(row.createdAt).toISOString(),
    decidedAt: time(row.decidedAt),
    grant: row.grantId ?? null,
  };
}
