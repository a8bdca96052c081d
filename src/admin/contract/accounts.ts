/** Local accounts. */
import { z } from 'zod';
import type { AdminRoute } from '#admin/contract.ts';
import { account, newAccount, organizationRef, password, text, username } from '#admin/nouns.ts';
import { listing } from './lists.ts';

const accounts = listing(account, {
  id: ['id'],
  sort: ['username', 'name', 'createdAt'],
  search: ['username', 'name', 'email'],
});

export const accountRoutes = {
  listAccounts: {
    method: 'GET',
    path: '/accounts',
    summary: 'Local accounts',
    permission: 'admin:accounts:read',
    scope: 'platform',
    audit: 'account.list',
    status: 200,
    input: z.strictObject({ ...accounts.input }),
    output: accounts.output,
    list: accounts.list,
  },
  createAccount: {
    method: 'POST',
    path: '/accounts',
    summary: 'Make a local account: a password that is made here is in this answer and nowhere else',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.create',
    status: 201,
    freshSignIn: true,
    input: z.strictObject({
      username,
      name: text.optional(),
      email: z.email().max(320).optional(),
      /** Undefined: one is made. */
      password: password.optional(),
      /** The account becomes a member of it. */
      organization: organizationRef.optional(),
      roles: z.array(text).max(100).default([]),
    }),
    output: newAccount,
    answersSecret: true,
  },
  deactivateAccount: {
    method: 'POST',
    path: '/accounts/:username/deactivate',
    summary: 'End every session and token of a local account, and its sign-in',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.deactivate',
    status: 200,
    input: z.strictObject({ username }),
    output: account,
  },
  setAccountPassword: {
    method: 'POST',
    path: '/accounts/:username/password',
    summary: 'Give a local account another password: its sessions and tokens end, and it may sign in again',
    permission: 'admin:accounts:write',
    scope: 'platform',
    audit: 'account.password',
    status: 200,
    freshSignIn: true,
    input: z.strictObject({ username, password: password.optional() }),
    output: newAccount,
    answersSecret: true,
  },
} as const satisfies Record<string, AdminRoute>;
