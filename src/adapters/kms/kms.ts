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
  /** The KEK (its version included, where the service has versions) that wraps from now on; rows of any other are to be re-wrapped. */
  readonly kekId: string;
  /** Throws if the service cannot be reached. */
  wrap(dek: Buffer, context: KeyContext): Promise<WrappedKey>;
  /** Throws if the service cannot be reached, the KEK is not known, or key and context do not belong together. */
  unwrap(key: WrappedKey, context: KeyContext): Promise<Buffer>;
  /** Whether a row of this KEK is for this service. */
  readonly knows: (kekId: string) => boolean;
  /** Asks the service which version wraps now. Throws if it cannot be reached. */
  refresh?(): Promise<void>;
  close(): Promise<void>;
}

export interface KmsDeps {
  /** `ENCRYPTION_KEY`. */
  readonly rootSecret: Secret;
  readonly clock: Clock;
  readonly log: Log;
  /** Default: the global one. The operator named the address: no guard stands before it. */
  readonly fetch?: typeof globalThis.fetch;
  /** Text of a file: tokens that the platform renews there. */
  readonly readFile?: (path: string) => Promise<string>;
  /** Milliseconds between attempts, given how many there were. Default: 50 to 250. */
  readonly pauseMs?: (attempt: number) => number;
}
