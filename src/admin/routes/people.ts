import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import type { PersonNoun } from '#admin/people-nouns.ts';
import {
  erasePerson,
  exportPerson,
  findPerson,
  getPerson,
  noSuchPerson,
  type PersonRow,
  pagePeople,
} from '#records/people.ts';
import { setUserActive } from '#records/users.ts';

type Names = 'listPeople' | 'updatePerson' | 'exportPerson' | 'erasePerson';

export function personHandlers({ records, clock, issuersOf }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listPeople({ active, ...wish }) {
      const { items, next } = await records.asPlatform((scope) =>
        pagePeople(scope, { ...wish, active: active === undefined ? undefined : active === 'true' }),
      );
      return { items: items.map(shown), next };
    },
    updatePerson: ({ id, active }) =>
      records.asPlatform(async (scope) => {
        const { id: userId, active: isActive } = await getPerson(scope, id);
        if (active !== isActive) await setUserActive(scope, { userId, active, nowMs: clock.now() });
        const row = await findPerson(scope, userId);
        if (!row) throw noSuchPerson();
        return shown(row);
      }),
    async exportPerson({ id }) {
      return { ...(await records.asPlatform((scope) => exportPerson(scope, id, issuersOf))) };
    },
    async erasePerson({ id }) {
      return { pseudonym: await records.asPlatform((scope) => erasePerson(scope, id, issuersOf)) };
    },
  };
}

function shown({ id, subject, email, emailVerified, name, active, ...row }: PersonRow): PersonNoun {
  return {
    ...{ id, subject, email: email ?? null, emailVerified, name: name ?? null, active },
    identities: row.identities.map((identity) => ({ ...identity })),
    organizations: [...row.organizations],
    createdAt: new Date(row.createdAt).toISOString(),
    lastSignInAt: row.lastSignInAt === undefined ? null : new Date(row.lastSignInAt).toISOString(),
  };
}
