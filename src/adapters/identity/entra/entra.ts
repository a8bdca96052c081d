/**
 * Entra ID (Azure AD), v2.0 endpoints, in all three modes. Who somebody is, is (`tid`, `oid`): `sub` differs for every
 * application and an e-mail address proves nothing there. Only listed directories are let in, whatever endpoint was used.
 */
import { z } from 'zod';
import { commonOf, commonSettings } from '#adapters/identity/common.ts';
import type { BridgedServer, IdentityDeps, IdentityMode, IdentityProvider } from '#adapters/identity/identity.ts';
import { openServerMetadata } from '#adapters/identity/server-metadata.ts';
import type { Adapter } from '#core/adapter.ts';
import { Secret } from '#core/secret.ts';
import { authorityOf, loginUrl, openDirectories } from './directories.ts';
import { openGroupLookup } from './groups.ts';
import { openPeople } from './people.ts';
import { openEntraSignIn } from './sign-in.ts';
import { openEntraTokens } from './tokens.ts';

const directoryId = z
  .string()
  .regex(
    /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i,
    'must be the id of a directory (tenant), such as 8f1c0c4e-3b6c-4f0e-9d1b-2f6f1d3c5a7b: no domain, and never "common"',
  )
  .transform((id) => id.toLowerCase());

const config = z
  .strictObject({
    ...commonSettings,
    tenantId: directoryId
      .optional()
      .describe(
        'The own directory: its members belong to `organization` (default: the one whose external id is this).',
      ),
    tenants: z
      .record(directoryId, z.string().regex(/^[A-Za-z0-9_-]{1,128}$/))
      .default({})
      .describe('Further directories, each with its organization (slug, external id or UUID). All others are refused.'),
    clientId: z.string().min(1).describe('Application (client) id.'),
    clientSecret: z
      .string()
      .min(1)
      .optional()
      .describe("Unset: a public client. With it groups that don't fit into a token are asked for at Microsoft Graph."),
    audiences: z
      .array(z.string().min(1))
      .min(1)
      .optional()
      .describe('Accepted in `aud` of access tokens. Default: the client id and api://<client id>.'),
    allowApplications: z
      .boolean()
      .default(false)
      .describe('Tokens of applications without a user (client credentials) are accepted.'),
  })
  .refine(({ tenantId, tenants }) => tenantId !== undefined || Object.keys(tenants).length > 0, {
    path: ['tenantId'],
    error: 'is required (or list directories in tenants): whoever has any Microsoft account could sign in otherwise',
  });

export type EntraConfig = z.output<typeof config>;

export const entraAdapter = {
  kind: 'entra',
  title: 'Microsoft Entra ID',
  config,
  open: openEntra,
} as const satisfies Adapter<'entra', typeof config, IdentityDeps, IdentityProvider>;

function openEntra(settings: EntraConfig, deps: IdentityDeps): IdentityProvider {
  const { clientId } = settings;
  const secret = settings.clientSecret === undefined ? undefined : new Secret(settings.clientSecret);
  const usual: IdentityMode = secret ? 'broker' : 'direct';
  const common = commonOf(settings, { kind: 'entra', title: 'Microsoft', mode: usual });
  const directories = openDirectories(settings, deps);
  const groups = secret && openGroupLookup({ ...deps, clientId, secret });
  const people = openPeople(settings, { groups, log: deps.log });
  const authority = authorityOf(settings);
  const tokens = openEntraTokens({ settings, mode: common.mode, directories, people, ...deps });
  const server = `${loginUrl}/${authority}/v2.0`;
  const metadata = openServerMetadata({
    ...deps,
    issuers: [server],
    urls: [`${server}/.well-known/openid-configuration`],
  });
  return {
    ...common,
    issuers: directories.issuers,
    authorizationServer: server,
    verify: tokens.verify,
    ...(common.mode === 'broker' && {
      signIn: openEntraSignIn({ ...deps, clientId, secret, authority, tokens, people }),
    }),
    ...(common.mode === 'bridge' && { bridge: bridged(authority, clientId, deps) }),
    // Microsoft's document doesn't mention PKCE, and clients give up on servers that don't.
    metadata: async () => ({ ...(await metadata.get()).value, code_challenge_methods_supported: ['S256'] }),
    forget: (subject) => groups?.forget(subject),
    close: async () => undefined,
  };
}

function bridged(authority: string, clientId: string, { fetch }: IdentityDeps): BridgedServer {
  return {
    clientId,
    authorizationEndpoint: `${loginUrl}/${authority}/oauth2/v2.0/authorize`,
    tokenEndpoint: `${loginUrl}/${authority}/oauth2/v2.0/token`,
    jwksUri: `${loginUrl}/${authority}/discovery/v2.0/keys`,
    fetch,
  };
}
