/**
 * Applications, tokens and sessions of members, for administrators of an organization. What people let applications have
 * may be for several organizations: theirs is what names this one, and whatever is of people who belong nowhere else.
 */
import { type Actor, actorName, getOrganization } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { App, SessionNoun } from '#admin/me-nouns.ts';
import type { OrganizationRow } from '#admin/records.ts';
import type { SelfRooms } from '#admin/self.ts';
import { sliceOf, time } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import type { PlatformScope } from '#db/scope.ts';
import {
  type AppClient,
  type AppGrant,
  type BlockedClient,
  blockClient,
  findAppClients,
  listAppGrants,
  listBlockedClients,
  listSignInSessions,
  removeAppGrants,
  removeSignInSessions,
  unblockClient,
} from '#records/apps.ts';
import { roomsOf } from './me.ts';
import { most } from './my-keys.ts';

type Names = 'listApps' | 'blockApp' | 'unblockApp' | 'listTokens' | 'revokeTokens' | 'listSessions' | 'endSession';

export function kindOfClient(id: string): App['kind'] {
  if (/^https?:/.test(id)) return 'document';
  return id.startsWith('prg_') ? 'program' : 'registered';
}

/** See above. Nobody's: what our own pages have. */
export function isOfOrganization(
  { clientId, resources, memberships }: AppGrant,
  { id, slug, externalId }: OrganizationRow,
  rooms: Pick<SelfRooms, 'isHouse' | 'organizationIn'>,
): boolean {
  if (rooms.isHouse(clientId)) return false;
  if (memberships === 1) return true;
  const named = resources.map(rooms.organizationIn);
  return named.length > 0 && named.every((name) => typeof name === 'string' && [id, slug, externalId].includes(name));
}

export function appHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  const { records, clock } = deps;
  const grantsIn = async (scope: PlatformScope, organization: OrganizationRow) =>
    (await listAppGrants(scope, { org: organization.id }, clock.now())).filter((grant) =>
      isOfOrganization(grant, organization, roomsOf(deps)),
    );
  const appsIn = (organization: OrganizationRow) =>
    records.asPlatform(async (scope) => {
      const grants = Map.groupBy(await grantsIn(scope, organization), ({ clientId }) => clientId);
      const blocked = new Map((await listBlockedClients(scope, organization.id)).map((one) => [one.clientId, one]));
      const ids = [...new Set([...grants.keys(), ...blocked.keys()])].sort();
      const known = await findAppClients(scope, ids);
      return ids.map((id) => shownApp(id, { of: grants.get(id) ?? [], client: known.get(id), block: blocked.get(id) }));
    });
  const open = (actor: Actor, ref: string) => getOrganization(records, actor, ref);
  return {
    async listApps({ organization: ref, ...page }, actor) {
      return sliceOf(await appsIn(await open(actor, ref)), page);
    },
    async blockApp({ organization: ref, client, reason }, actor) {
      const organization = await open(actor, ref);
      if (roomsOf(deps).isHouse(client))
        throw new GatehouseError('bad_request', { message: 'These are the pages of the gateway itself' });
      await records.asPlatform(async (scope) => {
        await blockClient(scope, organization.id, { clientId: client, reason, blockedBy: actorName(actor) });
        const grants = await grantsIn(scope, organization);
        await removeAppGrants(
          scope,
          grants.filter(({ clientId }) => clientId === client),
        );
      });
      const found = (await appsIn(organization)).find((one) => one.client === client);
      if (!found) throw new GatehouseError('not_found');
      return found;
    },
    async unblockApp({ organization: ref, client }, actor) {
      const { id } = await open(actor, ref);
      await records.asPlatform((scope) => unblockClient(scope, id, client));
      return { client, blocked: false };
    },
    async listTokens({ organization: ref, user, client, ...page }, actor) {
      const organization = await open(actor, ref);
      const items = await records.asPlatform(async (scope) => {
        const grants = (await grantsIn(scope, organization)).filter(isMeant({ user, client }));
        const known = await findAppClients(scope, [...new Set(grants.map(({ clientId }) => clientId))]);
        return grants.map((grant) => shownToken(grant, known.get(grant.clientId)));
      });
      return sliceOf(items, page);
    },
    async revokeTokens({ organization: ref, all, ...wish }, actor) {
      const organization = await open(actor, ref);
      const isNamed = Object.values(wish).some((value) => value !== undefined);
      if (isNamed === (all === true))
        throw new GatehouseError('bad_request', { message: 'Say which: id, user, client, or all' });
      const revoked = await records.asPlatform(async (scope) =>
        removeAppGrants(scope, (await grantsIn(scope, organization)).filter(isMeant(wish))),
      );
      if (revoked === 0 && wish.id !== undefined)
        throw new GatehouseError('not_found', { message: 'There is no such token in this organization' });
      return { revoked };
    },
    async listSessions({ organization: ref, user, ...page }, actor) {
      const all = await sessionsIn(deps, await open(actor, ref));
      return sliceOf(
        all.filter((one) => user === undefined || one.user === user),
        page,
      );
    },
    async endSession({ organization: ref, id, user }, actor) {
      const organization = await open(actor, ref);
      if ((id === undefined) === (user === undefined))
        throw new GatehouseError('bad_request', { message: 'Say which: id, or user' });
      const meant = (await sessionsIn(deps, organization)).filter((one) =>
        id === undefined ? one.user === user : one.id === id,
      );
      const ids = new Set(meant.map((one) => one.id));
      const browsers = meant.filter(({ kind }) => kind === 'sign-in').map((one) => one.id);
      const ended = await records.asPlatform((scope) => removeSignInSessions(scope, browsers));
      const cut = roomsOf(deps).endSessions(organization.id, (session) => ids.has(session.id));
      if (ended + cut === 0 && id !== undefined)
        throw new GatehouseError('not_found', { message: 'There is no such session in this organization' });
      return { ended: ended + cut };
    },
  };
}

interface Wish {
  readonly id?: string | undefined;
  readonly user?: string | undefined;
  readonly client?: string | undefined;
}

const isMeant =
  ({ id, user, client }: Wish) =>
  (grant: AppGrant): boolean =>
    (id === undefined || grant.id === id) &&
    (user === undefined || grant.userId === user) &&
    (client === undefined || grant.clientId === client);

/** Browsers of people who belong elsewhere, too, are not one organization's to end. */
async function sessionsIn(deps: AdminDeps, { id }: OrganizationRow): Promise<readonly SessionNoun[]> {
  const browsers = await deps.records.asPlatform((scope) => listSignInSessions(scope, id, deps.clock.now()));
  const nobody = { email: null, name: null };
  return [
    ...browsers
      .filter(({ memberships }) => memberships === 1)
      .map((one) => ({
        ...{ id: one.id, kind: 'sign-in' as const, user: one.userId, email: one.email ?? null, name: one.name ?? null },
        ...{ endpoint: null, client: null, since: time(one.since), expiresAt: time(one.expiresAt) },
      })),
    ...roomsOf(deps)
      .sessions(id)
      .map((one) => {
        const { email, name } = browsers.find(({ userId }) => userId === one.user) ?? nobody;
        return {
          ...{ id: one.id, kind: one.kind, user: one.user ?? null, email: email ?? null, name: name ?? null },
          ...{ endpoint: one.endpoint ?? null, client: one.client ?? null, since: time(one.at), expiresAt: null },
        };
      }),
  ];
}

interface Known {
  readonly of: readonly AppGrant[];
  readonly client: AppClient | undefined;
  readonly block: BlockedClient | undefined;
}

function shownApp(id: string, { of, client, block }: Known): App {
  const hosts = (client?.redirectUris ?? []).flatMap((uri) => (URL.canParse(uri) ? [new URL(uri).host || uri] : []));
  return {
    ...{ client: id, kind: kindOfClient(id), name: client?.name ?? null, url: client?.url ?? null },
    software: client?.software ?? null,
    redirectHosts: [...new Set(hosts)],
    registeredAt: time(client?.registeredAt),
    lastSeenAt: time(most(of.map(({ lastUsedAt }) => lastUsedAt))),
    people: new Set(of.map(({ userId }) => userId)).size,
    ...{ blocked: block !== undefined, blockedAt: time(block?.at), blockedBy: block?.blockedBy ?? null },
    reason: block?.reason ?? null,
  };
}

const shownToken = (grant: AppGrant, client: AppClient | undefined) => ({
  ...{ id: grant.id, user: grant.userId, email: grant.email ?? null, name: grant.name ?? null },
  ...{ client: grant.clientId, clientName: client?.name ?? null },
  ...{ scopes: [...grant.scopes], resources: [...grant.resources] },
  ...{ since: time(grant.since), lastUsedAt: time(grant.lastUsedAt), expiresAt: time(grant.expiresAt) },
});
