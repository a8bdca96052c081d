/** Keys that are derived from the root secret: of the one that is in use, and of those of the past, which open what they sealed. */
import { deriveKey } from '#core/derive.ts';
import { openSealer, type Sealer } from '#core/sealer.ts';
import type { Secret } from '#core/secret.ts';

export interface RootSecrets {
  /** ENCRYPTION_KEY. */
  readonly rootSecret: Secret;
  /** ENCRYPTION_KEY_PREVIOUS. */
  readonly olderSecrets: readonly Secret[];
}

export function rootKeys({ rootSecret, olderSecrets }: RootSecrets, purpose: string) {
  const derive = (secret: Secret) => deriveKey(secret.reveal(), purpose);
  return { key: derive(rootSecret), older: olderSecrets.map(derive) };
}

export function openRootSealer(secrets: RootSecrets, purpose: string): Sealer {
  const { key, older } = rootKeys(secrets, purpose);
  return openSealer(key, older);
}

/** Purpose of the key of secrets in definitions of servers. */
export const serverSecrets = 'upstream-accounts';

/** Of what the built-in authorization server keeps. */
export const openOauthSealer = (secrets: RootSecrets): Sealer => openRootSealer(secrets, 'oauth-seal');
