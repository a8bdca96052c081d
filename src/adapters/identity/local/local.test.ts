import { expect, test } from 'vitest';
import type { LocalAccountStore, PasswordSignIn } from '#adapters/identity/identity.ts';
import { systemClock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import { silentLog } from '#core/log.ts';
import { hashPassword } from '#core/password.ts';
import { localAdapter } from './local.ts';

const digest = await hashPassword('correct horse battery');
const ada = { subject: 'u-1', username: 'ada', digest, active: true, email: 'ada@example.com', name: 'Ada' };

function open(localAccounts: LocalAccountStore): PasswordSignIn {
  const deps = { fetch: globalThis.fetch, clock: systemClock, log: silentLog, localAccounts };
  const { signIn } = localAdapter.open(localAdapter.config.parse({}), deps);
  if (signIn?.method !== 'password') throw new Error('no password');
  return signIn;
}

function store(account: typeof ada | undefined = ada) {
  const taken: string[] = [];
  return {
    taken,
    find: async (username: string) => (username === account?.username ? account : undefined),
    takeAttempt: async ({ username, address }: { readonly username: string; readonly address: string }) => {
      taken.push(`${username} from ${address}`);
    },
  };
}

test('the right password signs in, whatever the case of the username', async () => {
  const person = await open(store()).check(' ADA ', 'correct horse battery', '192.0.2.1');
  expect(person).toMatchObject({ subject: 'u-1', username: 'ada', name: 'Ada', roles: [], groups: [] });
});

test('a wrong password, an unknown name and a deactivated account are the same', async () => {
  expect(await open(store()).check('ada', 'wrong', '192.0.2.1')).toBeUndefined();
  expect(await open(store()).check('bob', 'correct horse battery', '192.0.2.1')).toBeUndefined();
  expect(await open(store({ ...ada, active: false })).check('ada', 'correct horse battery', 'x')).toBeUndefined();
});

test('an unknown name costs as much work as a wrong password', async () => {
  const signIn = open(store());
  const time = async (name: string) => {
    const from = performance.now();
    for (let i = 0; i < 5; i++) await signIn.check(name, 'wrong', '192.0.2.1');
    return performance.now() - from;
  };
  await time('bob');
  const [known, unknown] = [await time('ada'), await time('bob')];
  expect(unknown).toBeGreaterThan(known / 5);
});

test('tries count per account and per address, before anything is looked up', async () => {
  const accounts = store();
  await open(accounts).check('Ada', 'wrong', '192.0.2.1');
  expect(accounts.taken).toEqual(['ada from 192.0.2.1']);
  const refused = open({
    find: () => Promise.reject(new Error('was looked up')),
    takeAttempt: () => Promise.reject(new GatehouseError('rate_limited')),
  });
  await expect(refused.check('ada', 'correct horse battery', '192.0.2.1')).rejects.toThrow('Rate limit');
});

test('tokens are none of its business, and its name is its own', async () => {
  expect(localAdapter.config.safeParse({ name: 'other' }).success).toBe(false);
  const deps = { fetch: globalThis.fetch, clock: systemClock, log: silentLog, localAccounts: store() };
  const provider = localAdapter.open(localAdapter.config.parse({ title: 'Break glass' }), deps);
  expect(provider).toMatchObject({ name: 'local', title: 'Break glass', mode: 'broker', issuers: [] });
  await expect(provider.verify('x')).rejects.toMatchObject({ code: 'invalid_token' });
});
