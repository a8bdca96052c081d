/** The settings of an OpenID provider, and what they come to once its preset has filled the gaps. */
import { z } from 'zod';
import { commonSettings } from '#adapters/identity/common.ts';
import { accessTokenTypes, asymmetricAlgorithms, strictRules } from '#adapters/identity/verify-token.ts';
import { type Preset, type PresetClaims, presetNames, presets } from './presets.ts';

const algorithms = z.enum([...asymmetricAlgorithms, 'RS384', 'RS512', 'PS384', 'PS512', 'ES384', 'ES512', 'Ed25519']);
const claimPath = z.string().min(1);
const hostName = z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i, 'must be a host name');

/** What sign-in itself sends: nobody may overwrite these. */
const reservedParameters = [
  'client_id',
  'redirect_uri',
  'response_type',
  'response_mode',
  'scope',
  'state',
  'nonce',
  'code_challenge',
  'code_challenge_method',
  'request',
  'request_uri',
];

export const oidcConfig = z
  .strictObject({
    ...commonSettings,
    preset: z.enum(presetNames).optional().describe('What a vendor does its own way is filled in.'),
    issuer: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe('Exactly as the tokens have it.'),
    domain: hostName.optional().describe('Okta, Auth0: the host name that the issuer follows from.'),
    authorizationServerId: z
      .string()
      .regex(/^[A-Za-z0-9_-]+$/)
      .optional()
      .describe('Okta: a custom authorization server.'),
    claimNamespace: z.string().min(1).optional().describe('Auth0: prefix of own claims.'),
    userPoolId: z
      .string()
      .regex(/^[a-z0-9-]+_[A-Za-z0-9]+$/, 'must look like eu-west-1_AbCdEf123')
      .optional()
      .describe('Amazon Cognito.'),
    allowedDomains: z
      .array(z.string().min(1))
      .min(1, 'must name a domain, or "*"')
      .optional()
      .describe('Google: Workspace domains whose people may sign in; `["*"]`: anybody with an account.'),
    clientId: z.string().min(1).optional().describe('Set: signs people in.'),
    clientSecret: z.string().min(1).optional().describe('Unset: a public client.'),
    scopes: z
      .array(z.string().regex(/^\S+$/))
      .refine((scopes) => scopes.includes('openid'), 'must contain openid')
      .optional()
      .describe('Asked for at sign-in. Default: openid, profile, email, or what the preset says.'),
    authorizationParameters: z
      .record(z.string(), z.string())
      .refine((given) => !reservedParameters.some((name) => name in given), 'must not set what sign-in itself sends')
      .default({})
      .describe("Sent along with the authorization request, such as Auth0's `audience` or `connection`."),
    jwksUrl: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe("Default: what the issuer's discovery document says."),
    audiences: z.array(z.string().min(1)).min(1).optional().describe('In direct mode: whom tokens are for.'),
    algorithms: z
      .array(algorithms)
      .min(1)
      .default([...asymmetricAlgorithms])
      .describe('Algorithms that may sign its tokens.'),
    /** Claims are names or dotted paths, e.g. `realm_access.roles`. */
    scopesClaim: claimPath.optional().describe('Unset: tokens are not limited by scope.'),
    emailClaim: claimPath.default('email').describe('Claim with the e-mail address.'),
    nameClaim: claimPath.default('name').describe('Claim with the name for people.'),
    usernameClaim: claimPath.optional().describe('Claim with the username.'),
    allowedTypes: z
      .array(z.string().min(1))
      .min(1)
      .default([...accessTokenTypes])
      .describe('Header `typ` values, e.g. `["at+jwt"]` to insist on RFC 9068.'),
    maxLifetimeSeconds: z
      .int()
      .positive()
      .default(strictRules.maxLifetimeSeconds)
      .describe('Tokens that are good for longer are refused.'),
  })
  .superRefine((value, context) => {
    for (const { path, message } of listProblems(value)) {
      context.addIssue({ code: 'custom', path: [path], message });
    }
  });

export type OidcConfig = z.output<typeof oidcConfig>;

export const modeOf = ({ mode, clientId }: Pick<OidcConfig, 'mode' | 'clientId'>) =>
  mode ?? (clientId === undefined ? 'direct' : 'broker');

export const presetOf = ({ preset }: Pick<OidcConfig, 'preset'>): Preset | undefined => preset && presets[preset];

/** Never undefined once the settings are checked. */
export const issuerOf = (settings: OidcConfig): string => settings.issuer ?? presetOf(settings)?.issuer(settings) ?? '';

/** Claims where the entry names none: the preset's, but not for what the entry settles by itself. */
export function claimsOf(settings: OidcConfig): PresetClaims {
  const { organization, ...filled } = presetOf(settings)?.claims(settings) ?? {};
  return {
    ...filled,
    ...(organization !== undefined && settings.organization === undefined && { organization }),
    ...(settings.rolesClaim !== undefined && { roles: [settings.rolesClaim] }),
    ...(settings.groupsClaim !== undefined && { groups: settings.groupsClaim }),
    ...(settings.organizationClaim !== undefined && { organization: settings.organizationClaim }),
    ...(settings.usernameClaim !== undefined && { username: settings.usernameClaim }),
  };
}

interface Problem {
  readonly path: string;
  readonly message: string;
}

function listProblems(settings: OidcConfig): readonly Problem[] {
  const { clientId, clientSecret, audiences } = settings;
  const preset = presetOf(settings);
  const mode = modeOf(settings);
  const problems: (Problem | false)[] = [
    issuerOf(settings) === '' && {
      path: preset ? (preset.needs.split(',')[0] ?? 'issuer') : 'issuer',
      message: preset ? `preset ${settings.preset} needs ${preset.needs}` : 'must be a URL',
    },
    mode === 'bridge' && { path: 'mode', message: 'must be broker or direct' },
    mode === 'broker' && clientId === undefined && { path: 'clientId', message: 'is needed to sign people in' },
    mode === 'direct' &&
      preset?.direct(settings) === false && {
        path: 'mode',
        message: 'must be broker: its access tokens can be checked by nobody else',
      },
    mode === 'direct' && audiences === undefined && { path: 'audiences', message: 'must name who tokens are for' },
    mode === 'direct' &&
      settings.organization !== undefined &&
      settings.organizationClaim !== undefined && {
        path: 'organizationClaim',
        message: 'must be left out where organization is given: its tokens would speak for other organizations',
      },
    clientSecret !== undefined && clientId === undefined && { path: 'clientId', message: 'belongs to clientSecret' },
    settings.preset === 'google' &&
      settings.allowedDomains === undefined && {
        path: 'allowedDomains',
        message: 'must name the Workspace domains that may sign in, or "*" for every Google account',
      },
    settings.preset !== 'google' &&
      settings.allowedDomains !== undefined && { path: 'allowedDomains', message: 'is only for preset google' },
  ];
  return problems.filter((problem) => problem !== false);
}
