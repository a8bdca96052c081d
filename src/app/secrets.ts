/** What administrators do about keys, over storage: rotation of every level, and the end of an organization's. */
import type { SecretsAdmin } from '#admin/records.ts';
import type { Clock } from '#core/clock.ts';
import { openSealer } from '#core/sealer.ts';
import {
  countRootFields,
  type RotationDeps,
  readSecrets,
  rotateSecrets,
  shredOrganization,
} from '#records/rotation.ts';
import { openOauthSealer, openRootSealer, rootKeys, serverSecrets } from './root-keys.ts';
import type { Storage } from './storage.ts';

export function openSecretsAdmin(storage: Storage, clock: Clock): SecretsAdmin {
  const { db, vault, dataKeys, kms } = storage;
  const current = (purpose: string) => openSealer(rootKeys(storage, purpose).key);
  const deps: RotationDeps = {
    ...{ db, vault, dataKeys, kms, clock },
    root: openOauthSealer(storage),
    current: current('oauth-seal'),
    servers: { root: openRootSealer(storage, serverSecrets), current: current(serverSecrets) },
  };
  return {
    kekId: () => kms.kekId,
    read: (org) => readSecrets(deps, org),
    readOwn: () => countRootFields(deps),
    rotate: (wish) => rotateSecrets(deps, wish),
    shred: (org) => shredOrganization(deps, org),
  };
}
