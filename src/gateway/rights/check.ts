/** Where the one decision is asked for a single item: throws what its caller is told. */
import { GatehouseError } from '#core/error.ts';
import type { Call } from '#gateway/call.ts';
import type { PolicyNote } from '#records/call-record.ts';
import type { RightsAnswer, RightsWish } from '#records/rights.ts';
import type { Endpoint } from '#records/snapshot.ts';

const errors = {
  grant: () => new GatehouseError('role_denied'),
  blocked: ({ binding }: RightsWish) =>
    new GatehouseError('not_enabled', { data: `A tool of '${binding.server.key}' is switched off` }),
  policy: () => new GatehouseError('policy_denied'),
} as const satisfies Record<Exclude<RightsAnswer, 'allow'>, (wish: RightsWish) => GatehouseError>;

/** Throws `role_denied`, `not_enabled`, `policy_denied`. */
export function checkRight({ rights }: Endpoint, wish: RightsWish): void {
  const answer = rights?.decide(wish) ?? 'allow';
  if (answer !== 'allow') throw errors[answer](wish);
}

/** What policies say of it goes into the call's record. */
export const notePolicy =
  (call: Pick<Call, 'policy'>) =>
  (note: PolicyNote): void => {
    call.policy = note;
  };

export const isListed = ({ rights }: Endpoint, wish: Omit<RightsWish, 'args'>): boolean =>
  !rights || rights.decide({ ...wish, args: undefined }) === 'allow';
