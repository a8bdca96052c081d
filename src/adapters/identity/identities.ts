/** All identity providers of this gateway behind one door: a token goes to the one that answers for its issuer. */
import { GatehouseError } from '#core/error.ts';
import type { IdentityProvider, VerifiedToken } from './identity.ts';
import { unverifiedIssuer } from './unverified-issuer.ts';

export interface Identities {
  readonly providers: readonly IdentityProvider[];
  /** Throws `invalid_token` (also for an issuer nobody answers for) or `identity_unavailable`. */
  verify(token: string): Promise<{ readonly provider: IdentityProvider; readonly token: VerifiedToken }>;
  /** Who answers for tokens of this issuer; undefined as issuer: for tokens without one. */
  providerFor(issuer: string | undefined): IdentityProvider | undefined;
  /** To every identity provider that caches something of its subjects. */
  forget(subject: string): void;
  close(): Promise<void>;
}

/** Throws GatehouseError `setting` where two identity providers claim the same tokens. */
export function openIdentities(providers: readonly IdentityProvider[]): Identities {
  const byIssuer = new Map<string | undefined, IdentityProvider>();
  for (const provider of providers) {
    const claims: readonly (string | undefined)[] = provider.issuers.length > 0 ? provider.issuers : [undefined];
    for (const issuer of claims) {
      if (byIssuer.has(issuer)) {
        const what = issuer === undefined ? 'tokens without an issuer' : `the issuer ${issuer}`;
        throw new GatehouseError('setting', { message: `Two identity providers are configured for ${what}` });
      }
      byIssuer.set(issuer, provider);
    }
  }
  const byPrefix = listPrefixes(providers);
  /** A JWT goes by its issuer, whatever it starts with; anything else to one provider at most, never to one after the other. */
  const find = (token: string) =>
    (token.includes('.') ? undefined : byPrefix.find(({ prefix }) => token.startsWith(prefix))?.provider) ??
    byIssuer.get(unverifiedIssuer(token));
  return {
    providers,
    async verify(token) {
      const provider = find(token);
      if (!provider) throw new GatehouseError('invalid_token');
      return { provider, token: await provider.verify(token) };
    },
    providerFor: (issuer) => byIssuer.get(issuer),
    forget(subject) {
      for (const provider of providers) provider.forget?.(subject);
    },
    async close() {
      await Promise.all(providers.map((provider) => provider.close()));
    },
  };
}

interface Prefix {
  readonly prefix: string;
  readonly provider: IdentityProvider;
}

/** Throws GatehouseError `setting` where a token could belong to two. */
function listPrefixes(providers: readonly IdentityProvider[]): readonly Prefix[] {
  const prefixes = providers.flatMap((provider) =>
    (provider.tokenPrefixes ?? []).map((prefix) => ({ prefix, provider })),
  );
  for (const [at, { prefix }] of prefixes.entries()) {
    const other = prefixes.find(
      (one, index) => index < at && (one.prefix.startsWith(prefix) || prefix.startsWith(one.prefix)),
    );
    if (!other) continue;
    const message = `Two identity providers are configured for tokens that start with ${prefix}: say opaqueTokens: false in one of them`;
    throw new GatehouseError('setting', { message });
  }
  return prefixes;
}
