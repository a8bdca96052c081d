import { afterEach, expect, test } from 'vitest';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { startFakeClerk } from '#kit/identity/fake-clerk.ts';
import { startFakeWorkos } from '#kit/identity/fake-workos.ts';
import type { Account, AccountEnv } from './account.ts';
import { clerkAccount } from './clerk.ts';
import { workosAccount } from './workos.ts';

const opened: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0)) await close();
});

/** What each check came to, under the vendor's own host names. */
async function outcomes(account: Account, env: AccountEnv, hostMap: Readonly<Record<string, string>>) {
  const egress = openEgress({ hostMap });
  opened.push(() => egress.close());
  const found = await account.checks(env, { fetch: egress.fetch, clock: systemClock, log: silentLog });
  const told: (string | undefined)[] = [];
  for (const { run } of found) told.push(await run());
  return told;
}

test('the checks of a real WorkOS account hold against the emulator', async () => {
  const fake = await startFakeWorkos({
    organizations: { org_1: { user_1: ['admin'] } },
    origin: 'https://api.workos.com',
  });
  opened.push(fake.close);
  const { WORKOS_API_KEY = '', WORKOS_CLIENT_ID = '', WORKOS_AUTHORIZATION_SERVER_URL = '' } = fake.env;
  const env = {
    WORKOS_API_KEY,
    WORKOS_CLIENT_ID,
    WORKOS_AUTHORIZATION_SERVER_URL,
    WORKOS_TEST_TOKEN: await fake.signToken(),
    WORKOS_TEST_USER: 'user_1',
  };
  expect(await outcomes(workosAccount, env, { 'api.workos.com': fake.url })).toEqual(Array(6).fill(undefined));
});

test('the checks of a real Clerk account hold against the emulator', async () => {
  const fake = await startFakeClerk({
    organizations: { org_1: { user_1: 'org:admin' } },
    origin: 'https://clerk.example.com',
  });
  opened.push(fake.close);
  const env = {
    CLERK_SECRET_KEY: fake.secretKey,
    CLERK_PUBLISHABLE_KEY: fake.publishableKey,
    CLERK_TEST_TOKEN: await fake.signSession(),
    CLERK_TEST_USER: 'user_1',
  };
  const hosts = { 'api.clerk.com': fake.url, 'clerk.example.com': fake.url };
  expect(await outcomes(clerkAccount, env, hosts)).toEqual(Array(7).fill(undefined));
});
