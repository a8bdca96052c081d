import type { IdentityDeps } from '#adapters/identity/identity.ts';
import { joinPath } from '#adapters/identity/issuer-url.ts';
import { openRemoteKeys, type RemoteKeys } from '#adapters/identity/jwks.ts';
import type { Secret } from '#core/secret.ts';
import { discard } from '#http/egress-body.ts';

/** Of the three seconds that a key set may take, what the first address gets. */
const firstMs = 1500;

export interface ClerkKeysOptions extends IdentityDeps {
  readonly apiUrl: string;
  readonly issuer: string;
  readonly secretKey: Secret;
  readonly headers: Readonly<Record<string, string>>;
}

/** The instance's keys: from the Backend API, as Clerk's own libraries do; where that fails, the public copy of the Frontend API. */
export function openClerkKeys(options: ClerkKeysOptions): RemoteKeys {
  const { apiUrl, issuer, secretKey, headers, fetch } = options;
  const askBackend = (init: RequestInit | undefined) =>
    fetch(joinPath(apiUrl, '/v1/jwks'), {
      ...init,
      headers: { accept: 'application/json', ...headers, authorization: `Bearer ${secretKey.reveal()}` },
      signal: AbortSignal.any([...(init?.signal ? [init.signal] : []), AbortSignal.timeout(firstMs)]),
    });
  return openRemoteKeys({
    ...options,
    url: joinPath(issuer, '/.well-known/jwks.json'),
    async fetch(url, init) {
      const answer = await askBackend(init).catch(() => undefined);
      if (answer?.status === 200) return answer;
      if (answer) await discard(answer);
      return fetch(url, init);
    },
  });
}
