/** Keys and applications of one person. A key acts as them: whatever they may no longer, it may no longer. */
import { personIn } from '#admin/actor.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { KeyRow } from '#admin/records.ts';
import { sliceOf, time } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import { asKeyId } from '#core/ids.ts';
import { findAppClients, listAppGrants, removeAppGrants } from '#records/apps.ts';
import { kindOfClient } from './apps.ts';
import { roomsOf, selfOf } from './me.ts';

type Names = 'listMyKeys' | 'createMyKey' | 'revokeMyKey' | 'listMyApps' | 'removeMyApp';

/** In use, of one person in one organization. */
const MAX_KEYS = 20;

export function myKeyHandlers(deps: AdminDeps): Pick<Handlers, Names> {
  const { records, clock } = deps;
  const isUsable = ({ revokedAt, expiresAt = Number.POSITIVE_INFINITY }: KeyRow) =>
    revokedAt === undefined && expiresAt > clock.now();
  return {
    async listMyKeys(page, actor) {
      const { userId, org } = personIn(actor);
      const mine = (await records.listKeys(org)).filter((key) => key.userId === userId);
      return sliceOf(mine.map(shown), page);
    },
    async createMyKey({ name, endpoints, expiresInSeconds }, actor) {
      const person = personIn(actor);
      const { userId, org } = person;
      if (endpoints) {
        const mine = new Set((await roomsOf(deps).endpoints(selfOf(person))).map((one) => one.name));
        const other = endpoints.find((one) => !mine.has(one));
        if (other !== undefined)
          throw new GatehouseError('not_found', { message: `"${other}" is nothing that you may use` });
      }
      const held = (await records.listKeys(org)).filter((key) => key.userId === userId && isUsable(key));
      if (held.length >= MAX_KEYS)
        throw new GatehouseError('conflict', { message: `You have ${MAX_KEYS} keys: revoke one first` });
      const expiresAt = clock.now() + expiresInSeconds * 1000;
      const { row, text } = await records.insertKey(org, { name, roles: [], endpoints, expiresAt, userId });
      return { key: text.reveal(), ...fields(row) };
    },
    async revokeMyKey({ id }, actor) {
      const { userId, org } = personIn(actor);
      const isMine = (await records.listKeys(org)).some((key) => key.id === id && key.userId === userId);
      const row = isMine ? await records.revokeKey(org, asKeyId(id)) : undefined;
      if (!row) throw new GatehouseError('not_found', { message: 'There is no such key of yours' });
      return shown(row);
    },
    async listMyApps(page, actor) {
      const person = personIn(actor);
      const { isHouse } = roomsOf(deps);
      const items = await records.asPlatform(async (scope) => {
        const all = await listAppGrants(scope, { userId: person.userId }, clock.now());
        const grants = all.filter(({ clientId }) => !isHouse(clientId));
        const known = await findAppClients(scope, [...new Set(grants.map(({ clientId }) => clientId))]);
        return [...Map.groupBy(grants, ({ clientId }) => clientId)].map(([client, of]) => ({
          ...{ client, kind: kindOfClient(client) },
          ...{ name: known.get(client)?.name ?? null, url: known.get(client)?.url ?? null },
          scopes: [...new Set(of.flatMap(({ scopes }) => scopes))].sort(),
          resources: [...new Set(of.flatMap(({ resources }) => resources))].sort(),
          since: time(least(of.map(({ since }) => since))),
          lastUsedAt: time(most(of.map(({ lastUsedAt }) => lastUsedAt))),
          expiresAt: time(most(of.map(({ expiresAt }) => expiresAt))),
        }));
      });
      return sliceOf(items, page);
    },
    async removeMyApp({ client }, actor) {
      const { userId } = personIn(actor);
      const revoked = await records.asPlatform(async (scope) => {
        const grants = await listAppGrants(scope, { userId }, clock.now());
        return removeAppGrants(
          scope,
          grants.filter(({ clientId }) => clientId === client),
        );
      });
      if (revoked === 0) throw new GatehouseError('not_found', { message: 'You have not let this application in' });
      return { client, revoked };
    },
  };
}

const known = (values: readonly (number | undefined)[]) => values.filter((value) => value !== undefined);
export const most = (values: readonly (number | undefined)[]): number | undefined =>
  known(values).length > 0 ? Math.max(...known(values)) : undefined;
const least = (values: readonly (number | undefined)[]) =>
  known(values).length > 0 ? Math.min(...known(values)) : undefined;

const fields = ({ id, name, endpoints, expiresAt, createdAt }: KeyRow) => ({
  ...{ id, name, endpoints: endpoints ? [...endpoints] : null, expiresAt: time(expiresAt) },
  createdAt: new Date(createdAt).toISOString(),
});

const shown = (row: KeyRow) => ({ ...fields(row), last4: row.last4, revokedAt: time(row.revokedAt) });
