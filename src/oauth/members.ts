/**
 * Who belongs to which organization, for the tokens issued here: from our own table, or live from the identity provider
 * that a person signed in with, where that one can be asked. In memory for a minute; a change drops it at once.
 */
import { LRUCache } from 'lru-cache';
import type { IdentityProvider, Membership } from '#adapters/identity/identity.ts';
import type { Clock } from '#core/clock.ts';
import type { McpPath } from '#core/mcp-path.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { isProgramClientId } from '#records/program-clients.ts';
import { findStanding, listStandings, type Standing } from '#records/standings.ts';
import type { User } from '#records/users.ts';
import { findProgramStanding } from './program-clients.ts';

export interface MembersDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly feed: ChangeFeed;
  readonly brokers: readonly IdentityProvider[];
}

export interface Members {
  /** `org`: our UUID. Throws `identity_unavailable`, `storage_unavailable`. */
  find(subject: string, org: string): Promise<Membership | undefined>;
  /** What a new token's `org` is: the organization of the endpoint asked for if it is the person's, else their only one. */
  organizationFor(user: User, path: McpPath | undefined): Promise<string | undefined>;
  close(): void;
}

const cachedMs = 60_000;

export function openMembers({ db, clock, feed, brokers }: MembersDeps): Members {
  const cache = new LRUCache<string, { readonly standing: Standing | undefined; readonly until: number }>({
    max: 20_000,
  });
  const asking = new Map<string, Promise<Standing | undefined>>();
  /** Grows with every change: an answer that was on its way meanwhile isn't kept. */
  let changes = 0;
  const unsubscribe = feed.subscribe((change) => {
    if (change.kind !== 'user' && change.kind !== 'organization' && change.kind !== 'everything') return;
    changes++;
    asking.clear();
    if (change.kind !== 'user') return cache.clear();
    for (const [key, { standing }] of cache.entries())
      if (!standing || standing.userId === change.id) cache.delete(key);
  });

  function standingOf(subject: string, org: string): Promise<Standing | undefined> | Standing | undefined {
    const key = `${org} ${subject}`;
    const known = cache.get(key);
    if (known && known.until > clock.monotonic()) return known.standing;
    const asked = asking.get(key) ?? ask(key, subject, org);
    asking.set(key, asked);
    return asked;
  }

  async function ask(key: string, subject: string, org: string): Promise<Standing | undefined> {
    const before = changes;
    try {
      const standing = await withPlatform(db, (scope) =>
        (isProgramClientId(subject) ? findProgramStanding : findStanding)(scope, { subject, org }),
      );
      if (changes === before) cache.set(key, { standing, until: clock.monotonic() + cachedMs });
      return standing;
    } finally {
      if (changes === before) asking.delete(key);
    }
  }

  async function membershipOf(standing: Standing | undefined, org: string): Promise<Membership | undefined> {
    if (!standing || standing.isBarred) return undefined;
    const { identities, member, externalId } = standing;
    const isLive = (name: string | undefined) => brokers.some((broker) => broker.memberships && broker.name === name);
    for (const broker of brokers) {
      const identity = identities.find(({ provider }) => provider === broker.name);
      const name = broker.namesOrganizationsBy === 'id' ? org : externalId;
      const found = identity && name !== undefined ? await broker.memberships?.(identity.subject, name) : undefined;
      if (found) return found;
    }
    // What an identity provider that can be asked once said stands in the table, and no longer counts.
    return member && !isLive(member.saidBy) ? { roles: member.roles } : undefined;
  }

  return {
    find: async (subject, org) => membershipOf(await standingOf(subject, org), org),
    async organizationFor({ id }, path) {
      // Anew, not from memory: what was decided a moment before a token is made counts for it.
      const standings = await withPlatform(db, (scope) =>
        listStandings(scope, { userId: id, called: path?.organization }),
      );
      const [only, ...others] = standings.filter(({ member }) => member);
      const named = standings.find(({ isCalled }) => isCalled);
      const candidates = new Set([named, others.length === 0 ? only : undefined]);
      for (const standing of candidates)
        if (standing && (await membershipOf(standing, standing.org))) return standing.org;
      return undefined;
    },
    close: unsubscribe,
  };
}
