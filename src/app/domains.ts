/** Host names of organizations, in memory: asked at every request, read again when an organization changes. */
import type { Log } from '#core/log.ts';
import type { ChangeFeed } from '#db/change-feed.ts';
import type { Db } from '#db/schema.ts';
import { withPlatform } from '#db/scope.ts';
import { listDomains } from '#records/organizations.ts';

export interface Domains {
  /** The organization's slug. `host`: lower case. */
  find(host: string): string | undefined;
  /** Host name of an organization, by its slug. */
  of(slug: string): string | undefined;
  readonly isEmpty: boolean;
  /** Answers how to stop. */
  follow(feed: ChangeFeed): () => Promise<void>;
}

export async function openDomains({ db, log }: { readonly db: Db; readonly log: Log }): Promise<Domains> {
  const read = () => withPlatform(db, listDomains);
  let byHost = await read();
  let reading: Promise<void> | undefined;
  let isOutdated = false;

  async function renew(): Promise<void> {
    do {
      isOutdated = false;
      try {
        byHost = await read();
      } catch (error) {
        log.error({ err: error }, 'the domains of organizations could not be read again');
      }
    } while (isOutdated);
  }

  return {
    find: (host) => byHost.get(host),
    of: (slug) => [...byHost].find(([, named]) => named === slug)?.[0],
    get isEmpty() {
      return byHost.size === 0;
    },
    follow(feed) {
      const unsubscribe = feed.subscribe(({ kind }) => {
        if (kind !== 'organization' && kind !== 'everything') return;
        isOutdated = true;
        reading ??= renew().finally(() => {
          reading = undefined;
        });
      });
      return async () => {
        unsubscribe();
        await reading;
      };
    },
  };
}
