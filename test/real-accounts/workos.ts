/** WorkOS: the three variables of direct mode; WORKOS_TEST_TOKEN (an access token) and WORKOS_TEST_USER go further. */
import { workosAdapter } from '#adapters/identity/workos/workos.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { type Account, codeOf, expectSame } from './account.ts';

export const workosAccount: Account = {
  vendor: 'WorkOS',
  variables: ['WORKOS_API_KEY', 'WORKOS_CLIENT_ID', 'WORKOS_AUTHORIZATION_SERVER_URL'],
  checks({ WORKOS_API_KEY, WORKOS_CLIENT_ID, WORKOS_AUTHORIZATION_SERVER_URL, ...env }, deps) {
    const open = (apiKey = WORKOS_API_KEY) =>
      workosAdapter.open(
        workosAdapter.config.parse({
          apiKey,
          clientId: WORKOS_CLIENT_ID,
          authorizationServerUrl: WORKOS_AUTHORIZATION_SERVER_URL,
        }),
        deps,
      );
    const provider = open();
    return [
      {
        title: 'its metadata names itself',
        async run() {
          const metadata = await provider.metadata?.();
          expectSame(typeof metadata?.token_endpoint, 'string');
          return undefined;
        },
      },
      {
        title: 'its keys can be had, and refuse a token under a foreign key',
        async run() {
          const stranger = await createSigningKeys('RS256');
          const now = Math.floor(Date.now() / 1000);
          const claims = {
            iss: provider.issuers.at(-1),
            aud: WORKOS_CLIENT_ID,
            sub: 'user_x',
            iat: now,
            exp: now + 60,
          };
          expectSame(await codeOf(provider.verify(await stranger.sign(claims))), 'invalid_token');
          return undefined;
        },
      },
      {
        title: 'the API key is good, and a made-up person is a member of nothing',
        async run() {
          const organization = 'org_01AAAAAAAAAAAAAAAAAAAAAAAA';
          expectSame(await provider.memberships?.('user_01AAAAAAAAAAAAAAAAAAAAAAAA', organization), undefined);
          return undefined;
        },
      },
      {
        title: 'a wrong API key is an outage, not "no member"',
        async run() {
          const wrong = open('sk_test_wrong');
          expectSame(await codeOf(wrong.memberships?.('user_x', 'org_x')), 'identity_unavailable');
          return undefined;
        },
      },
      {
        title: 'a real access token is verified',
        async run() {
          const { WORKOS_TEST_TOKEN: token } = env;
          if (!token) return 'WORKOS_TEST_TOKEN is not set';
          const { subject } = await provider.verify(token);
          expectSame(subject.startsWith('user_'), true);
          return undefined;
        },
      },
      {
        title: 'a real person’s organizations are listed',
        async run() {
          const { WORKOS_TEST_USER: user } = env;
          if (!user) return 'WORKOS_TEST_USER is not set';
          for (const id of (await provider.organizations?.(user)) ?? []) {
            expectSame((await provider.memberships?.(user, id)) !== undefined, true);
          }
          return undefined;
        },
      },
    ];
  },
};
