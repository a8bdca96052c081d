/**
 * Tokens that another application signs with a secret we share (HS256), such as Open WebUI's sessions: those have
 * neither `iss` nor `sub`, only `id`, `exp` and `jti`. Bound to an organization, who brings one becomes a member of it,
 * without any role until somebody gives them one here.
 */
import { z } from 'zod';
import { findText } from '#adapters/identity/claims.ts';
import { commonOf, commonSettings, mapRoles } from '#adapters/identity/common.ts';
import type {
  ForeignUser,
  IdentityAccounts,
  IdentityDeps,
  IdentityProvider,
  VerifiedToken,
} from '#adapters/identity/identity.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import { accessTokenTypes, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';
import { GatehouseError } from '#core/error.ts';

/** Stands for the issuer of tokens that name none: part of their subjects' identity, so it never changes. */
export const sharedSecretIssuer = 'urn:gatehouse:shared-secret';

const claimPath = z.string().min(1);
const columnName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/, 'must be a plain name of a column');

/** Its table of users is as its migrations make it. */
const openWebui = {
  name: 'open-webui',
  title: 'Open WebUI',
  userTable: {
    table: 'public.user',
    idColumn: 'id',
    emailColumn: 'email',
    nameColumn: 'name',
    roleColumn: 'role',
  },
} as const;

const config = z
  .strictObject({
    ...commonSettings,
    secret: z.string().min(32, 'must be at least 32 characters').describe('The same as the other application has.'),
    preset: z
      .enum(['open-webui'])
      .optional()
      .describe('`open-webui`: its claims, and its table of users in the database of the gateway.'),
    issuer: z.string().min(1).optional().describe('Unset: the tokens carry no `iss`, and one that does is refused.'),
    audiences: z.array(z.string().min(1)).min(1).optional().describe('Unset: `aud` is not looked at.'),
    subjectClaims: z
      .array(claimPath)
      .min(1)
      .default(['sub', 'id'])
      .describe('The first of these that a token has is its subject.'),
    emailClaim: claimPath.default('email').describe('Claim with the e-mail address.'),
    nameClaim: claimPath.default('name').describe('Claim with the name for people.'),
    userTable: z
      .strictObject({
        table: z
          .string()
          .regex(/^[A-Za-z_]\w{0,62}\.[A-Za-z_]\w{0,62}$/, 'must be schema.table, in plain names')
          .describe('`schema.table`, in the database of the gateway: who is not there has no access.'),
        idColumn: columnName.default('id').describe('What the subject of a token is compared with.'),
        emailColumn: columnName.default('email').describe('Their e-mail address.'),
        nameColumn: columnName.optional().describe('Their name for people.'),
        roleColumn: columnName.optional().describe('What `tableRoles` looks at.'),
      })
      .optional()
      .describe(
        "Where the application keeps its users, in the database of the gateway: who isn't there has no access.",
      ),
    tableRoles: z
      .record(z.string(), z.array(z.string().min(1)))
      .default({ admin: ['MCP-Admin'] })
      .describe('Value of the role column → roles in `organization`. Values that are not listed give none.'),
  })
  .refine((value) => value.mode === undefined || value.mode === 'direct', { path: ['mode'], error: 'must be direct' });

export type SharedSecretConfig = z.output<typeof config>;

export const sharedSecretAdapter = {
  kind: 'shared-secret',
  title: 'Shared secret (HS256), such as Open WebUI',
  config,
  open: openSharedSecret,
} as const satisfies Adapter<'shared-secret', typeof config, IdentityDeps, IdentityProvider>;

function openSharedSecret(given: SharedSecretConfig, { clock, accounts }: IdentityDeps): IdentityProvider {
  const settings = given.preset === undefined ? given : { ...openWebui, ...given };
  const key = new TextEncoder().encode(settings.secret);
  const issuers = settings.issuer === undefined ? [] : [settings.issuer];
  const common = commonOf(settings, { kind: 'shared-secret', title: 'Shared secret', mode: 'direct' });
  const people = openPeople(settings, { accounts, provider: common.name });
  const rules: TokenRules = {
    issuers,
    audiences: settings.audiences ?? 'unchecked',
    algorithms: ['HS256'],
    types: accessTokenTypes,
    subjectClaims: settings.subjectClaims,
    requiredClaims: ['exp'],
    // Sessions of such applications last weeks; the application that shares its secret with us decides.
    maxLifetimeSeconds: undefined,
  };
  return {
    ...common,
    issuers,
    verify: async (token) =>
      people.complete(asVerified(await verifyToken(token, key, { rules, clock }), settings, sharedSecretIssuer)),
    ...(people.memberships && { memberships: people.memberships, namesOrganizationsBy: 'id' as const }),
    close: async () => undefined,
  };
}

interface People {
  /** Adds what the records and the application's table know of the token's subject. Throws `invalid_token`. */
  complete(token: VerifiedToken): Promise<VerifiedToken>;
  readonly memberships?: NonNullable<IdentityProvider['memberships']>;
}

/** Open WebUI's accounts that wait for an administrator's approval. */
const pendingRole = 'pending';

function openPeople(
  settings: SharedSecretConfig,
  { accounts, provider }: { readonly accounts: IdentityAccounts | undefined; readonly provider: string },
): People {
  const { userTable, organization } = settings;
  if (accounts === undefined || (userTable === undefined && organization === undefined)) {
    return { complete: async (token) => token };
  }
  /** Throws `invalid_token` for somebody who is not, or no longer, a user there. */
  const getForeign = async (subject: string): Promise<ForeignUser | undefined> => {
    if (userTable === undefined) return undefined;
    const found = await accounts.findForeignUser(userTable, subject);
    if (!found) throw new GatehouseError('invalid_token', { cause: new Error('not in the table of users') });
    return found;
  };
  const complete = async (token: VerifiedToken): Promise<VerifiedToken> => {
    const foreign = await getForeign(token.subject);
    // REQUIREMENTS S3.3: claim, else user name, else table.
    const email = token.email ?? findText(token.claims, 'preferred_username') ?? foreign?.email;
    const name = token.name ?? foreign?.name;
    const person = { ...token, ...(email !== undefined && { email }), ...(name !== undefined && { name }) };
    if (organization === undefined || foreign?.role === pendingRole) return person;
    // Whoever shares the secret keeps the table; what a token says of an address counts where it is that one.
    const emailVerified =
      token.emailVerified === true ||
      (foreign?.email !== undefined && foreign.email.toLowerCase() === email?.toLowerCase());
    const row = { provider, subject: token.subject, organization, email, emailVerified, name };
    const made = await accounts.ensure(row);
    if (!made) throw new GatehouseError('invalid_token', { cause: new Error('deactivated, or no such organization') });
    return { ...person, organization: made.organizationId, userId: made.userId };
  };
  if (organization === undefined) return { complete };
  return {
    complete,
    async memberships(subject, organizationId) {
      const foreign = await getForeign(subject);
      if (foreign?.role === pendingRole) return undefined;
      const member = await accounts.findMember({ provider, subject, organization }, organizationId);
      if (!member) return undefined;
      const { tableRoles } = settings;
      const role = member.inBound ? foreign?.role : undefined;
      const given = role !== undefined && Object.hasOwn(tableRoles, role) ? (tableRoles[role] ?? []) : [];
      return { roles: mapRoles(settings, { roles: [...member.roles, ...given], groups: [] }) };
    },
  };
}
