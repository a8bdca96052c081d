/**
 * Tokens that another application signs with a secret we share (HS256), such as Open WebUI's sessions: those have
 * neither `iss` nor `sub`, only `id` and `exp`.
 */
import { z } from 'zod';
import { commonOf, commonSettings } from '#adapters/identity/common.ts';
import type { IdentityDeps, IdentityProvider } from '#adapters/identity/identity.ts';
import { asVerified } from '#adapters/identity/verified-token.ts';
import { accessTokenTypes, type TokenRules, verifyToken } from '#adapters/identity/verify-token.ts';
import type { Adapter } from '#core/adapter.ts';

/** Stands for the issuer of tokens that name none: part of their subjects' identity, so it never changes. */
export const sharedSecretIssuer = 'urn:gatehouse:shared-secret';

const claimPath = z.string().min(1);

const config = z.strictObject({
  ...commonSettings,
  secret: z.string().min(32, 'must be at least 32 characters'),
  /** Unset: the tokens carry no `iss`, and one that does is refused. */
  issuer: z.string().min(1).optional(),
  /** Unset: `aud` is not looked at. */
  audiences: z.array(z.string().min(1)).min(1).optional(),
  /** The first of these that a token has is its subject. */
  subjectClaims: z.array(claimPath).min(1).default(['sub', 'id']),
  emailClaim: claimPath.default('email'),
  nameClaim: claimPath.default('name'),
});

export type SharedSecretConfig = z.output<typeof config>;

export const sharedSecretAdapter = {
  kind: 'shared-secret',
  title: 'Shared secret (HS256), such as Open WebUI',
  config,
  open: openSharedSecret,
} as const satisfies Adapter<'shared-secret', typeof config, IdentityDeps, IdentityProvider>;

function openSharedSecret(settings: SharedSecretConfig, { clock }: IdentityDeps): IdentityProvider {
  const key = new TextEncoder().encode(settings.secret);
  const issuers = settings.issuer === undefined ? [] : [settings.issuer];
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
    ...commonOf(settings, { kind: 'shared-secret', title: 'Shared secret', mode: 'direct' }),
    issuers,
    verify: async (token) => asVerified(await verifyToken(token, key, { rules, clock }), settings, sharedSecretIssuer),
    close: async () => undefined,
  };
}
