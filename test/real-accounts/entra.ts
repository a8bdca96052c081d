import type { Account } from './account.ts';

/** Microsoft Entra ID: a place for checks against a real tenant. */
export const entraAccount: Account = {
  vendor: 'Microsoft Entra ID',
  variables: ['ENTRA_TENANT_ID', 'ENTRA_CLIENT_ID', 'ENTRA_CLIENT_SECRET'],
  checks: () => [],
};
