/**
 * Envelope encryption of fields. Every organization has its own data keys (DEK), wrapped by a key-management service;
 * a sealed text is bound to its organization, table, column and row, so that a copy in another place does not open.
 *
 * `gw1.<dekId>.<base64url(iv 12 | ciphertext | tag 16)>`, AES-256-GCM (NIST SP 800-38D: random 96-bit IVs are good for
 * 2^32 texts per key).
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock.ts';
import { GatehouseError } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';
import { Secret } from '#core/secret.ts';
import type { DataKeyStore } from './data-keys.ts';
import { KeyRing, type KeyWrapper } from './key-ring.ts';

const ivBytes = 12;
const tagBytes = 16;
const legacyPrefix = 's0.';
const sealedForm = /^gw1\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Za-z0-9_-]{38,})$/;

/** Where a sealed text lives: it opens nowhere else. */
export interface Place {
  readonly table: string;
  readonly column: string;
  readonly rowId: string;
}

export interface Vault {
  /** Throws `credential_unavailable`. Not inside a scope: it reads the organization's key in one of its own. */
  seal(org: OrgId, place: Place, plain: string): Promise<string>;
  /** Throws `credential_unavailable` for whatever reason: the reason is its cause, for the log only. */
  open(org: OrgId, place: Place, sealed: string): Promise<Secret>;
  /** True if the text is best sealed anew when next at hand: of an older format or a retired key (known after `open`). */
  needsReseal(sealed: string): boolean;
  /** A new data key seals from now on; old texts still open. Other replicas follow within 5 minutes. */
  rotate(org: OrgId): Promise<void>;
  /** Wraps the organization's data keys under the current key-encryption key; returns how many were changed. */
  rewrap(org: OrgId): Promise<number>;
  /** Drops the unwrapped keys of an organization from memory (its keys were removed: crypto-shredding). */
  forget(org: OrgId): void;
}

export interface VaultOptions {
  readonly kms: KeyWrapper;
  readonly store: DataKeyStore;
  readonly clock: Clock;
  /** Opens what follows `s0.`: ciphertexts of the system that came before. */
  readonly openLegacy?: (ciphertext: string) => Promise<string> | string;
}

export function openVault(options: VaultOptions): Vault {
  const ring = new KeyRing(options);
  return {
    seal: (org, place, plain) =>
      orUnavailable(async () => {
        const { dekId, key } = await ring.getActive(org);
        const iv = randomBytes(ivBytes);
        const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: tagBytes });
        cipher.setAAD(additionalData(dekId, org, place));
        const bytes = Buffer.concat([iv, cipher.update(plain, 'utf8'), cipher.final(), cipher.getAuthTag()]);
        return `gw1.${dekId}.${bytes.toString('base64url')}`;
      }),
    open: (org, place, sealed) =>
      orUnavailable(async () => {
        if (sealed.startsWith(legacyPrefix)) return openLegacy(options, sealed);
        const [, dekId, text] = sealedForm.exec(sealed) ?? [];
        if (!dekId || !text) throw new Error('The sealed text has no known format');
        const { key } = await ring.get(org, dekId);
        const bytes = Buffer.from(text, 'base64url');
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, ivBytes), { authTagLength: tagBytes });
        decipher.setAAD(additionalData(dekId, org, place));
        decipher.setAuthTag(bytes.subarray(-tagBytes));
        const plain = Buffer.concat([decipher.update(bytes.subarray(ivBytes, -tagBytes)), decipher.final()]);
        const secret = new Secret(plain.toString('utf8'));
        plain.fill(0);
        return secret;
      }),
    needsReseal: (sealed) => {
      const dekId = sealedForm.exec(sealed)?.[1];
      return dekId === undefined || ring.isRetired(dekId);
    },
    rotate: (org) => orUnavailable(() => ring.rotate(org)),
    rewrap: (org) => orUnavailable(() => ring.rewrap(org)),
    forget: (org) => ring.forget(org),
  };
}

async function orUnavailable<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    throw new GatehouseError('credential_unavailable', { cause });
  }
}

async function openLegacy(options: VaultOptions, sealed: string): Promise<Secret> {
  if (!options.openLegacy) throw new Error('No opener of legacy ciphertexts is configured');
  return new Secret(await options.openLegacy(sealed.slice(legacyPrefix.length)));
}

/** Canonical JSON (keys sorted), hence injective: no two places share their additional data. */
function additionalData(dekId: string, org: OrgId, { table, column, rowId }: Place): Buffer {
  return Buffer.from(JSON.stringify({ column, dekId, orgId: org, rowId, table, v: 1 }));
}
