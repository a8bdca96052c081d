/** What administrators do about keys, over storage: rotation of every level, and the end of an organization's. */
import type { SecretsAdmin } from '#admin/records.ts';
import type { Clock } from '#core/clock.ts';
import { openSealer } from '#core/sealer.ts';
import { type RotationDeps, readSecrets, rotateSecrets, shredOrganization } from '#records/rotation.ts';
import { openOauthSealer, rootKeys } from './root-keys.ts';
import type { Storage } from './storage.ts';

export function openSecretsAdmin(storage: Storage, clock: Clock): SecretsAdmin {
  const { db, vault, dataKeys, kms } = storage;
  const current = openSealer(rootKeys(storage, 'oauth-seal').key);
  const deps: RotationDeps = { db, vault, dataKeys, kms, root: openOauthSealer(storage), current, clock };
  return {
    kekId: () => kms.kekId,
    read: (org) => readSecrets(deps, org),
    rotate: (wish) => rotateSecrets(deps, wish),
    shred: (org) => shredOrganization(deps, org),
  };
}
