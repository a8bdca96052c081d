/** What is known of one call when it is over: the source of its audit row and its usage row. */
import type { ErrorCode } from '#core/error.ts';
import type { OrgId } from '#core/ids.ts';

/** What policies said of a call: for the record, never for its caller. */
export interface PolicyNote {
  /** `{name}@{version}` of every set that was asked. */
  readonly sets: readonly string[];
  /** `would_deny`: only sets that log would have refused it. */
  readonly outcome: 'permit' | 'deny' | 'would_deny';
  /** `{set}:{policy}` of those that decided. */
  readonly policies: readonly string[];
  /** Why a set could not decide. */
  readonly errors: readonly string[];
}

export interface CallRecord {
  /** UUIDv7; the row's key, so that a replayed spool inserts nothing twice. */
  readonly id: string;
  /** Unix milliseconds at arrival. */
  readonly at: number;
  readonly requestId: string;
  readonly org: OrgId | null;
  readonly principalKind: 'user' | 'api-key' | null;
  readonly issuer: string | null;
  readonly subject: string | null;
  readonly email: string | null;
  readonly clientAddress: string;
  readonly userAgent: string | null;
  readonly httpMethod: string;
  /** Path only: a query may carry secrets. */
  readonly path: string;
  readonly endpoint: string | null;
  readonly server: string | null;
  /** JSON-RPC method and tool, prompt or resource name. */
  readonly rpcMethod: string | null;
  readonly name: string | null;
  readonly decision: 'allow' | 'deny';
  /** Why it was refused or failed. */
  readonly reason: ErrorCode | 'client_gone' | null;
  readonly status: number;
  /** true: written before a stream's first byte; a second record of the same id follows at its end. */
  readonly open: boolean;
  readonly durationMs: number;
  readonly upstreamMs: number | null;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Null: no policy was asked. */
  readonly policy?: PolicyNote | null;
}

export interface CallRecorder {
  /**
   * Puts the record into the spool and then calls `done`, from the same tick's batch: what `done` sends is never seen by a
   * caller whose call is not in the spool. Throws nothing; `accepting` says when there is room.
   */
  record(record: CallRecord, done: () => void): void;
  /** False: the spool is full and calls must be refused (`audit_full`). */
  readonly accepting: boolean;
  /** Everything spooled is in the database, or the deadline has passed. */
  flush(deadlineMs: number): Promise<void>;
  close(): Promise<void>;
}
