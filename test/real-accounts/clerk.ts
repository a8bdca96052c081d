/** Clerk: its two variables; CLERK_TEST_TOKEN (a session or OAuth token) and CLERK_TEST_USER go further. */
import { clerkAdapter } from '#adapters/identity/clerk/clerk.ts';
import { createSigningKeys } from '#kit/identity/signing-keys.ts';
import { type Account, codeOf, expectSame } from './account.ts';

export const clerkAccount: Account = {
  vendor: 'Clerk',
  variables: ['CLERK_SECRET_KEY', 'CLERK_PUBLISHABLE_KEY'],
  checks({ CLERK_SECRET_KEY, CLERK_PUBLISHABLE_KEY, ...env }, deps) {
    const open = (secretKey = CLERK_SECRET_KEY) =>
      clerkAdapter.open(clerkAdapter.config.parse({ secretKey, publishableKey: CLERK_PUBLISHABLE_KEY }), deps);
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
          const claims = { iss: provider.issuers[0], sub: 'user_x', sid: 'sess_x', iat: now, exp: now + 60 };
          expectSame(await codeOf(provider.verify(await stranger.sign(claims))), 'invalid_token');
          return undefined;
        },
      },
      {
        title: 'a made-up OAuth token is refused by Clerk',
        async run() {
          expectSame(await codeOf(provider.verify('oat_ThisIsNoTokenOfAnybody0000')), 'invalid_token');
          return undefined;
        },
      },
      {
        title: 'the secret key is good, and a made-up person is a member of nothing',
        async run() {
          expectSame(await provider.memberships?.('user_2AAAAAAAAAAAAAAAAAAAAAAAAAA', 'org_x'), undefined);
          return undefined;
        },
      },
      {
        title: 'a wrong secret key is an outage, not "no member"',
        async run() {
          const wrong = open('sk_test_wrong');
          expectSame(await codeOf(wrong.memberships?.('user_x', 'org_x')), 'identity_unavailable');
          return undefined;
        },
      },
      {
        title: 'a real token is verified',
        async run() {
          const { CLERK_TEST_TOKEN: token } = env;
          if (!token) return 'CLERK_TEST_TOKEN is not set';
          const { subject } = await provider.verify(token);
          expectSame(subject.startsWith('user_'), true);
          return undefined;
        },
      },
      {
        title: 'a real person’s organizations are listed',
        async run() {
          const { CLERK_TEST_USER: user } = env;
          if (!user) return 'CLERK_TEST_USER is not set';
          for (const id of (await provider.organizations?.(user)) ?? []) {
            expectSame((await provider.memberships?.(user, id)) !== undefined, true);
          }
          return undefined;
        },
      },
    ];
  },
};
