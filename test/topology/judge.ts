/** What a replicated deployment promises, and whether it was seen. */
import { PER_MINUTE, type Seen } from './topology.ts';

/** One sentence for each promise that was not kept. */
export function judge(seen: Seen): readonly string[] {
  const { steady, shares, killed, drained, returned, revokedAfterMs, limit, guarded } = seen;
  const promises: readonly (readonly [boolean, string])[] = [
    [steady.bad === 0, 'calls failed with every replica up'],
    [shares.every((share) => share > 0), 'a replica answered nothing'],
    [killed.during.bad < 12, 'a killed replica took calls of the others with it'],
    [killed.after.bad === 0, 'calls failed after a replica was killed'],
    [drained.during.bad === 0 && drained.after.bad === 0, 'calls were lost while a replica drained'],
    [drained.exitCode === 0, 'a drained replica did not end well'],
    [returned === 3, 'a replica that came back is not used'],
    [revokedAfterMs < 1000, 'a revoked key was accepted for more than a second'],
    [limit === undefined || Math.abs(limit.allowed - PER_MINUTE) <= 3, 'replicas do not count together'],
    [!guarded || guarded.withoutToken === 401, 'a guarded server was reached without a token'],
    [!guarded || guarded.answer === 'waited 7', 'the client of a guarded server got no answer'],
    [!guarded || guarded.withOtherToken === 403, 'a token for something else was accepted'],
    [
      !guarded || guarded.arrived.every(({ user, token }) => user !== 'somebody-else' && token === ''),
      'a client was believed',
    ],
  ];
  return promises.filter(([kept]) => !kept).map(([, fault]) => fault);
}
