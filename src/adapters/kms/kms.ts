/**
 * The port to a key-management service: wraps the data keys (DEK) of organizations under a key (KEK) that never reaches
 * the database. A copy of the database without the KEK opens nothing.
 */
import type { Clock } from '#core/clock.ts';
import type { OrgId } from '#core/ids.ts';
import type { Log } from '#core/log.ts';
import type { Secret } from '#core/secret.ts';

/** Authenticated, not stored: a wrapped key moved to another organization or row does not unwrap. */
export interface KeyContext {
  readonly org: OrgId;
  readonly dekId: string;
}

export interface WrappedKey {
  /** Which KEK wrapped it. */
  readonly kekId: string;
  /** Text that only the service of `kekId` can read. */
  readonly wrapped: string;
}

export interface Kms {
  /** The KEK that wraps from now on; rows of any other are to be re-wrapped. */
  readonly kekId: string;
  /** Throws if the service cannot be reached. */
  wrap(dek: Buffer, context: KeyContext): Promise<WrappedKey>;
  /** Throws if the service cannot be reached, the KEK is not known, or key and context do not belong together. */
  unwrap(key: WrappedKey, context: KeyContext): Promise<Buffer>;
  close(): Promise<void>;
}

export interface KmsDeps {
  /** `ENCRYPTION_KEY`. */
  readonly rootSecret: Secret;
  readonly clock: Clock;
  readonly log: Log;
}
