import type { Account } from './account.ts';

/** GitHub: a place for checks against a real OAuth app. */
export const githubAccount: Account = {
  vendor: 'GitHub',
  variables: ['GITHUB_CLIENT_ID', 'GITHUB_CLIENT_SECRET'],
  checks: () => [],
};
