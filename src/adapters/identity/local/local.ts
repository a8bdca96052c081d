/**
 * Accounts kept in this gateway, for the demo and for when the identity provider is away. An unknown name costs as much
 * time as a wrong password, and attempts are counted per account and per address.
 */
import { z } from 'zod';
import { commonOf, commonSettings, mapRoles } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider, LocalAccountStore, PasswordSignIn } from '#adapters/identity/identity.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError, settingError } from '#core/error.ts';
import { checkPassword, hashPassword, makePassword, maxPasswordLength } from '#core/password.ts';

const { title, organization, roleMapping } = commonSettings;

// No `name`: the accounts carry it in the database, and there is one set of them.
const config = z.strictObject({ title, organization, roleMapping });

export type LocalConfig = z.output<typeof config>;

export const localAdapter = {
  kind: 'local',
  title: 'Accounts of this gateway, with a password',
  config,
  open: openLocal,
} as const satisfies Adapter<'local', typeof config, IdentityDeps, IdentityProvider>;

function openLocal(settings: LocalConfig, { localAccounts }: IdentityDeps): IdentityProvider {
  if (!localAccounts) throw settingError('Local accounts are not possible here: remove the identity provider "local"');
  return {
    ...commonOf(settings, { kind: 'local', title: 'Username and password', mode: 'broker' }),
    issuers: [],
    signIn: passwordSignIn(settings, localAccounts),
    verify: () => Promise.reject(new GatehouseError('invalid_token')),
    close: async () => undefined,
  };
}

function passwordSignIn(settings: LocalConfig, accounts: LocalAccountStore): PasswordSignIn {
  let nobody: Promise<string> | undefined;
  return {
    method: 'password',
    async check(name, password, address) {
      const username = name.trim().normalize('NFKC').toLowerCase().slice(0, 256);
      await accounts.takeAttempt({ username, address });
      nobody ??= hashPassword(makePassword());
      const account = await accounts.find(username);
      const fits = await checkPassword(password.slice(0, maxPasswordLength), account?.digest ?? (await nobody));
      if (!account?.active || !fits || password.length > maxPasswordLength) return undefined;
      const { subject, email, name: fullName } = account;
      return {
        subject,
        username: account.username,
        // An administrator set it.
        ...(email !== undefined && { email, emailVerified: true }),
        ...(fullName !== undefined && { name: fullName }),
        roles: mapRoles(settings, { roles: [], groups: [] }),
        groups: [],
        claims: {},
      };
    },
  };
}
