import { expect, test } from 'vitest';
import { githubAdapter } from '#adapters/identity/github/github.ts';
import { systemClock } from '#core/clock.ts';
import { silentLog } from '#core/log.ts';
import { openEgress } from '#http/egress.ts';
import { startFakeGithub } from '#kit/identity/fake-github.ts';
import { githubAccount } from './github.ts';

test('the checks of a real GitHub account hold against the emulator', async () => {
  const fake = await startFakeGithub();
  const egress = openEgress({ hostMap: { 'github.com': fake.url, 'api.github.com': fake.url } });
  const deps = { fetch: egress.fetch, clock: systemClock, log: silentLog };
  const { clientId, clientSecret } = fake;
  const settings = githubAdapter.config.parse({ clientId, clientSecret, allowedUsers: ['*'], groups: true });
  const { signIn } = await githubAdapter.open(settings, deps);
  if (signIn?.method !== 'redirect') throw new Error('no sign-in');
  const request = { redirectUri: 'http://localhost:3000/callback', state: 's' };
  const { url, memory } = await signIn.start(request);
  await signIn.finish(await fake.visit(url), { ...request, memory });
  const [token = ''] = fake.issued();
  const env = { GITHUB_CLIENT_ID: clientId, GITHUB_CLIENT_SECRET: clientSecret, GITHUB_TEST_TOKEN: token };
  const told: (string | undefined)[] = [];
  for (const { run } of await githubAccount.checks(env, deps)) told.push(await run());
  expect(told).toEqual([undefined, undefined, undefined]);
  await egress.close();
  await fake.close();
});
