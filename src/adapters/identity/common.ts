/** The settings that every identity provider has, whatever its kind. Spread `commonSettings` into an adapter's schema. */
import { z } from 'zod';
import type { IdentityMode, IdentityProvider } from './identity.ts';

const slug = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'must be lower case letters, digits and hyphens');
const claimPath = z.string().min(1);

export const commonSettings = {
  name: slug
    .optional()
    .describe('Names it in the database: keep it. Default: the preset, where there is one, else the kind.'),
  title: z.string().min(1).max(64).optional().describe('On the button of the sign-in page.'),
  mode: z
    .enum(['broker', 'direct', 'bridge'])
    .optional()
    .describe(
      'broker: it signs people in, their tokens are ours; direct: its own tokens are accepted; bridge: Entra only. Default: broker where the entry has what signing in needs, else direct (WorkOS: direct).',
    ),
  organization: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,128}$/)
    .optional()
    .describe(
      'Everybody who signs in here is a member of it (slug, external id or UUID), unless `organizationClaim` names others.',
    ),
  organizationClaim: claimPath.optional().describe("Claim (name or dotted path) with the organization's id."),
  rolesClaim: claimPath.optional().describe('Claim with roles.'),
  groupsClaim: claimPath.optional().describe('Claim with groups.'),
  roleMapping: z
    .record(z.string(), z.array(z.string().min(1)))
    .default({})
    .describe("Role or group as the identity provider has it → roles here. What it doesn't list stays as it is."),
  tls: z
    .strictObject({
      caFile: z.string().optional().describe('Further certificate authorities, in PEM.'),
      certFile: z.string().optional().describe('Our certificate, for servers that ask for one (mutual TLS).'),
      keyFile: z.string().optional().describe('Its private key.'),
    })
    .optional()
    .describe('PEM files for its hosts: further certificate authorities, and our certificate for mutual TLS.'),
} as const;

export type CommonSettings = z.output<z.ZodObject<typeof commonSettings>>;

/** Name, title and mode of an entry; `mode`: what it is where the entry doesn't say. */
export function commonOf(
  settings: CommonSettings,
  adapter: { readonly kind: string; readonly title: string; readonly mode: IdentityMode },
): Pick<IdentityProvider, 'kind' | 'name' | 'title' | 'mode' | 'organization'> {
  const { name = adapter.kind, title = adapter.title, mode = adapter.mode, organization } = settings;
  return { kind: adapter.kind, name, title, mode, ...(organization !== undefined && { organization }) };
}

/** Roles of a person after `roleMapping`: mapped names replaced, groups that map to roles added. Sorted, each once. */
export function mapRoles(
  { roleMapping }: Pick<CommonSettings, 'roleMapping'>,
  { roles, groups }: { readonly roles: readonly string[]; readonly groups: readonly string[] },
): readonly string[] {
  const own = (name: string) => (Object.hasOwn(roleMapping, name) ? roleMapping[name] : undefined);
  const mapped = [...roles.flatMap((role) => own(role) ?? [role]), ...groups.flatMap((group) => own(group) ?? [])];
  return [...new Set(mapped)].sort();
}
