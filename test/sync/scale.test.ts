/**
 * How long a whole company takes, on real PostgreSQL, with the gateway that serves it in the same process. `npm run
 * sync:scale` does all of it; beside the other tests it is a tenth.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { silentLog } from '#core/log.ts';
import { openChangeFeed } from '#db/notified-change-feed.ts';
import { type ScimWorld, startScimWorld } from '#kit/scim-world.ts';
import { syncByScim, syncByWebhooks } from './scale.ts';

const isFull = process.env.MODE === 'scale';
const company = isFull ? { users: 15_000, groups: 3_000, members: 10 } : { users: 1500, groups: 300, members: 10 };
const limitMs = isFull ? 60_000 : 15_000;
/** One request and one transaction each: a few hundred a second at most. */
const byEvents = isFull ? { users: 1500, groups: 300, members: 10 } : { users: 100, groups: 20, members: 10 };
const webhookSecret = 'the signing secret of the endpoint at WorkOS';

let world: ScimWorld;
const heard = new Map<string, number>();
let stopHearing: () => Promise<void>;
beforeAll(async () => {
  world = await startScimWorld({
    env: {
      WORKOS_API_KEY: 'sk_test_nobody',
      WORKOS_CLIENT_ID: 'client_1',
      WORKOS_AUTHORIZATION_SERVER_URL: 'https://acme.authkit.app',
      WORKOS_WEBHOOK_SECRET: webhookSecret,
    },
  });
  const feed = await openChangeFeed({ db: world.database.db, notifications: world.database.database, log: silentLog });
  feed.subscribe(({ kind }) => heard.set(kind, (heard.get(kind) ?? 0) + 1));
  stopHearing = () => feed.close();
}, 120_000);
afterAll(async () => {
  await stopHearing?.();
  await world?.close();
});

const report = (what: string, ms: number, { users, groups, members } = company) => {
  console.info(
    `${what}: ${users} users, ${groups} groups, ${groups * members} memberships in ${(ms / 1000).toFixed(1)} s`,
  );
};

test('a company through SCIM within a minute, and few announcements of it', { timeout: 300_000 }, async () => {
  heard.clear();
  const ms = await syncByScim(world.acme, company);
  report('SCIM bulk and PATCH', ms);
  expect(ms).toBeLessThan(limitMs);
  const [row] = await world.database.sql(
    `select (select count(*)::int from gateway.scim_users) as users, (select count(*)::int from gateway.groups where managed_by = 'scim') as groups,
      (select count(*)::int from gateway.group_members where source = 'scim') as memberships`,
  );
  expect(row).toEqual({ users: company.users, groups: company.groups, memberships: company.groups * company.members });
  // At most a hundred people of each transaction by name.
  const transactions = Math.ceil(company.users / 1000) + 2 * Math.ceil(company.groups / 250);
  console.info(`announced: ${JSON.stringify([...heard])} in ${transactions} transactions`);
  expect(heard.get('user') ?? 0).toBeLessThanOrEqual(100 * transactions);
  expect(heard.get('organization') ?? 0).toBeLessThanOrEqual(2 * transactions);
  expect(heard.get('everything') ?? 0).toBe(0);
});

test('a company through the events of a directory', { timeout: 300_000 }, async () => {
  const ms = await syncByWebhooks(world, webhookSecret, byEvents);
  report('WorkOS directory events, one request each', ms, byEvents);
  expect(ms).toBeLessThan(120_000);
});
