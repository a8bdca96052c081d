/** What everybody sees and does about themselves. Who they are is decided before: nobody names a person here. */
import { administers, getOrganization, type PersonActor, personIn } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { CallEvent } from '#admin/me-nouns.ts';
import type { Self, SelfRooms } from '#admin/self.ts';
import { sliceOf } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import { type JsonObject, parseJsonObject } from '#core/json.ts';
import { listMyAccounts } from '#records/connected-accounts.ts';
import { findUser } from '#records/users.ts';
import { auditPage } from './audit.ts';

type Names =
  | 'getMe'
  | 'listMyEndpoints'
  | 'listMyTools'
  | 'listMyAccounts'
  | 'removeMyAccount'
  | 'listMyCalls'
  | 'listMyLimits'
  | 'callAsMyself';

export const selfOf = ({ userId, org, from }: PersonActor): Self => ({ userId, org, ...(from && { from }) });

export function roomsOf({ self }: Pick<AdminDeps, 'self'>): SelfRooms {
  if (self) return self;
  throw new GatehouseError('not_found', { message: 'No gateway runs here' });
}

export function meHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  const { records } = deps;
  const userOf = async ({ userId }: PersonActor) => {
    const found = await records.asPlatform((scope) => findUser(scope, { column: 'id', value: userId }));
    if (!found) throw new GatehouseError('invalid_token');
    return found;
  };
  const accountsOf = async (self: Self) =>
    roomsOf(deps).accounts(self, await records.asPlatform((scope) => listMyAccounts(scope, self.org, self.userId)));
  return {
    async getMe(input, actor) {
      const person = personIn(actor);
      const { id, slug, name } = await getOrganization(records, actor, input.organization);
      const user = await userOf(person);
      const { roles, groups, isAdministrator } = await roomsOf(deps).standing(selfOf(person));
      return {
        ...{ user: user.id, email: user.email ?? null, name: user.name ?? null },
        organization: { id, slug, name },
        ...{ roles: [...roles], groups: [...groups] },
        isAdministrator: isAdministrator || administers(person, 'admin:members:write'),
      };
    },
    listMyEndpoints: async (input, actor) => sliceOf(await roomsOf(deps).endpoints(selfOf(personIn(actor))), input),
    async listMyTools({ endpoint, search, ...page }, actor) {
      const { tools, missing, stale } = await roomsOf(deps).tools(selfOf(personIn(actor)), endpoint);
      const wanted = search?.toLowerCase();
      const found = tools.filter(
        ({ name, title, description }) =>
          wanted === undefined || `${name} ${title ?? ''} ${description}`.toLowerCase().includes(wanted),
      );
      return { ...sliceOf(found, page), missing: [...missing], stale: [...stale] };
    },
    listMyAccounts: async (page, actor) => sliceOf(await accountsOf(selfOf(personIn(actor))), page),
    async removeMyAccount({ server }, actor) {
      const self = selfOf(personIn(actor));
      const all = await records.asPlatform((scope) => listMyAccounts(scope, self.org, self.userId));
      const before = (await accountsOf(self)).find((one) => one.server === server);
      const [found] = (await records.listConnections(self.org, server)).filter(({ user }) => user === self.userId);
      if (!found) throw new GatehouseError('not_found', { message: 'There is no account of yours at this server' });
      await roomsOf(deps).disconnect(self, all.find(({ id }) => id === found.id) ?? found);
      return {
        ...{ server, title: before?.title ?? server, state: 'none', issuer: null, scopes: [], missingScopes: [] },
        ...{ failedReason: null, expiresAt: null, connectedAt: null, connectUrl: before?.connectUrl ?? null },
      };
    },
    async listMyCalls({ organization: _ref, ...filter }, actor) {
      const person = personIn(actor);
      const { subject } = await userOf(person);
      const wanted = { ...filter, person: subject, kind: 'call', order: 'newest' } as const;
      const { items, next } = await auditPage(deps.reader, person.org, wanted);
      return { items: items.map(shownCall), next };
    },
    listMyLimits: async (page, actor) => sliceOf(await roomsOf(deps).limits(selfOf(personIn(actor))), page),
    async callAsMyself({ organization: _ref, params, inputResponses, ...call }, actor) {
      const person = personIn(actor);
      const items: CallEvent[] = [];
      await roomsOf(deps).call(selfOf(person), {
        ...call,
        params: plain(params) ?? {},
        inputResponses: plain(inputResponses),
        requestState: call.requestState,
        isAdministrator: administers(person, 'admin:policies:read'),
        hear(event) {
          if (person.following) person.following.hear(event);
          else items.push(event);
        },
        signal: person.following?.signal,
      });
      return { items };
    },
  };
}

const plain = (value: object | undefined): JsonObject | undefined =>
  value === undefined ? undefined : parseJsonObject(JSON.stringify(value));

type Row = Awaited<ReturnType<typeof auditPage>>['items'][number];

function shownCall(row: Row) {
  const { id, at, endpoint, server, rpcMethod: method, name, decision, reason, status, durationMs } = row;
  const { upstreamMs, requestId } = row;
  return { id, at, endpoint, server, method, name, decision, reason, status, durationMs, upstreamMs, requestId };
}
