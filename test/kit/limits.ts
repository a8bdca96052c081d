import { openMemoryLimiter } from '#adapters/limiter/memory/memory.ts';
import { type Limits, openLimits } from '#gateway/limits.ts';

/** Rates that nobody reaches; `atOnce`: calls and streams of everybody. */
export const openWideLimits = (atOnce: number): Limits =>
  openLimits(
    {
      ...{ enabled: true, retryAfterSeconds: undefined, streamsPerReplica: 1000 },
      ...{ perPrincipalPerMinute: 1e9, perOrganizationPerMinute: 1e9, perStrangerPerMinute: 1e9 },
      signInPerAddressPerMinute: 1e9,
      ...{ concurrentPerPrincipal: atOnce, concurrentPerOrganization: atOnce },
      ...{ streamsPerPrincipal: atOnce, streamsPerOrganization: atOnce },
    },
    openMemoryLimiter(100),
  );
