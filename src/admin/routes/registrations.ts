import type { RegistrationNoun } from '#admin/contract/registrations.ts';
import type { AdminDeps, Handlers } from '#admin/handlers.ts';
import { time } from '#admin/slice.ts';
import { GatehouseError } from '#core/error.ts';
import {
  countExpired,
  type Expired,
  listRegistrations,
  type Registration,
  readStatistics,
  removeExpired,
  removeRegistration,
} from '#records/registrations.ts';

type Names = 'listRegistrations' | 'removeRegistration' | 'purgeExpired' | 'getStatistics';

const batch = 1000;

export function registrationHandlers({ records, clock }: AdminDeps): Pick<Handlers, Names> {
  return {
    async listRegistrations() {
      const found = await records.asPlatform((scope) => listRegistrations(scope, clock.now()));
      return { items: found.map((one) => shown(one, clock.now())) };
    },
    async removeRegistration({ id }) {
      if (await records.asPlatform((scope) => removeRegistration(scope, id))) return { id };
      throw new GatehouseError('not_found', { message: 'There is no such registration' });
    },
    async purgeExpired({ dryRun }) {
      const nowMs = clock.now();
      const all = await records.asPlatform((scope) => countExpired(scope, nowMs));
      if (dryRun) return { dryRun, ...all };
      let gone = { clients: 0, tokens: 0, otherRecords: 0, signInAttempts: 0, portalSessions: 0 };
      // In small transactions: calls go on meanwhile.
      for (;;) {
        const some = await records.asPlatform((scope) => removeExpired(scope, nowMs, batch));
        gone = sum(gone, some);
        if (Object.values(some).every((count) => count < batch)) return { dryRun, ...gone };
      }
    },
    getStatistics: () => records.asPlatform((scope) => readStatistics(scope, clock.now())),
  };
}

const sum = (a: Expired, b: Expired): Expired => ({
  clients: a.clients + b.clients,
  tokens: a.tokens + b.tokens,
  otherRecords: a.otherRecords + b.otherRecords,
  signInAttempts: a.signInAttempts + b.signInAttempts,
  portalSessions: a.portalSessions + b.portalSessions,
});

function shown(one: Registration, nowMs: number): RegistrationNoun {
  const isExpired = one.expiresAt !== undefined && one.expiresAt <= nowMs;
  const hosts = one.redirectUris.flatMap((uri) => (URL.canParse(uri) ? [new URL(uri).host || uri] : []));
  return {
    ...{ id: one.id, name: one.name ?? null, redirectHosts: [...new Set(hosts)], tokens: one.tokens },
    state: isExpired ? 'expired' : one.signedInAt === undefined ? 'pending' : 'active',
    registeredAt: new Date(one.registeredAt).toISOString(),
    ...{ signedInAt: time(one.signedInAt), expiresAt: time(one.expiresAt) },
  };
}
