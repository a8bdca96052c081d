/** GitHub: an OAuth app's two variables; GITHUB_TEST_TOKEN (with user:email and read:org) goes further. */
import { openGithubApi } from '#adapters/identity/github/api.ts';
import { githubAdapter } from '#adapters/identity/github/github.ts';
import { type Account, codeOf, expectSame } from './account.ts';

export const githubAccount: Account = {
  vendor: 'GitHub',
  variables: ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
  checks({ GITHUB_CLIENT_ID: clientId = '', GITHUB_CLIENT_SECRET: clientSecret = '', ...env }, deps) {
    const request = { redirectUri: 'http://localhost:3000/callback', state: crypto.randomUUID() };
    const redeem = async (secret: string) => {
      const settings = githubAdapter.config.parse({ clientId, clientSecret: secret, allowedUsers: ['*'] });
      const { signIn } = await githubAdapter.open(settings, deps);
      if (signIn?.method !== 'redirect') throw new Error('no sign-in');
      const { memory } = await signIn.start(request);
      const callback = new URL(`${request.redirectUri}?code=made-up&state=${request.state}`);
      return signIn.finish(callback, { ...request, memory });
    };
    return [
      {
        title: 'the secret is good, and a made-up code is refused with status 200',
        async run() {
          expectSame(await codeOf(redeem(clientSecret)), 'invalid_token');
          return undefined;
        },
      },
      {
        title: 'a wrong secret is an outage, not a refusal of the person',
        async run() {
          expectSame(await codeOf(redeem('0'.repeat(40))), 'identity_unavailable');
          return undefined;
        },
      },
      {
        title: 'a real token says who somebody is, with address, organizations and teams',
        async run() {
          const { GITHUB_TEST_TOKEN: token } = env;
          if (!token) return 'GITHUB_TEST_TOKEN is not set';
          const api = openGithubApi({ clientId, clientSecret, baseUrl: 'https://github.com' }, deps);
          expectSame((await api.getUser(token)).id > 0, true);
          expectSame((await api.findEmail(token))?.includes('@'), true);
          expectSame(Array.isArray(await api.listGroups(token)), true);
          return undefined;
        },
      },
    ];
  },
};
