/** Client secrets in definitions of servers: the platform's servers belong to no organization, nor do these. */
import { settingError } from '#core/error.ts';
import type { Sealer } from '#core/sealer.ts';
import { Secret } from '#core/secret.ts';
import type { GivenAuth, ServerAuth } from './server-auth.ts';

export const clientSecretPlace = (clientId: string) => `server-auth:${clientId}`;

export const sealClientSecret = (sealer: Sealer, clientId: string, secret: Secret): string =>
  sealer.seal(clientSecretPlace(clientId), secret.reveal());

/** Throws where it was sealed by another root key. */
export function openClientSecret(sealer: Sealer, clientId: string, sealed: string): Secret {
  const plain = sealer.open(clientSecretPlace(clientId), sealed);
  if (plain === undefined) throw new Error('a client secret does not open');
  return new Secret(plain);
}

/** Throws `setting` where there is nothing to seal with. */
export function sealedAuth(given: GivenAuth | undefined, sealer: Sealer | undefined): ServerAuth | undefined {
  if (!given) return undefined;
  const { auth, secret } = given;
  if (!secret || auth.clientId === undefined) return auth;
  if (!sealer) throw settingError('A client secret cannot be kept here');
  return { ...auth, sealedSecret: sealClientSecret(sealer, auth.clientId, secret) };
}

/** Without the secret where it doesn't open: it has to be given again. */
export function openedAuth(sealed: ServerAuth | undefined, sealer: Sealer | undefined): GivenAuth | undefined {
  if (!sealed) return undefined;
  const { sealedSecret, ...auth } = sealed;
  const { clientId } = auth;
  const plain = sealedSecret && clientId ? sealer?.open(clientSecretPlace(clientId), sealedSecret) : undefined;
  return { auth, secret: plain === undefined ? undefined : new Secret(plain) };
}
