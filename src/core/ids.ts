/** Branded identifiers and UUIDv7 (RFC 9562 5.7): ids sort by creation time, which keeps B-trees dense. */
import { randomFillSync } from 'node:crypto';

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

export type OrgId = Brand<string, 'OrgId'>;
export type ServerId = Brand<string, 'ServerId'>;
export type CollectionId = Brand<string, 'CollectionId'>;
export type BindingId = Brand<string, 'BindingId'>;
export type CredentialId = Brand<string, 'CredentialId'>;
export type KeyId = Brand<string, 'KeyId'>;
export type GroupId = Brand<string, 'GroupId'>;
export type PolicyId = Brand<string, 'PolicyId'>;
/** `issuer` and `subject` of a principal joined injectively: the only key by which caches and pools tell callers apart. */
export type PrincipalKey = Brand<string, 'PrincipalKey'>;

const pool = Buffer.alloc(4096);
let used = pool.length;

/** A UUIDv7 for the moment `nowMs` (Unix milliseconds). */
export function uuidv7(nowMs: number): string {
  if (used + 10 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const time = Math.floor(nowMs).toString(16).padStart(12, '0');
  const random = pool.toString('hex', used, used + 10);
  used += 10;
  const variant = ((Number.parseInt(random[3] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(0, 3)}-${variant}${random.slice(4, 7)}-${random.slice(7, 19)}`;
}

export const asOrgId = (value: string) => value as OrgId;
export const asServerId = (value: string) => value as ServerId;
export const asCollectionId = (value: string) => value as CollectionId;
export const asBindingId = (value: string) => value as BindingId;
export const asCredentialId = (value: string) => value as CredentialId;
export const asKeyId = (value: string) => value as KeyId;
export const asGroupId = (value: string) => value as GroupId;
export const asPolicyId = (value: string) => value as PolicyId;
