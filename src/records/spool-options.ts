import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { CallRecord } from './call-record.ts';
import { SegmentWriter } from './spool-segment.ts';

export interface SpoolOptions {
  /** `DATA_DIR/spool`; may be shared by several processes, each keeps to its own files. */
  readonly directory: string;
  /**
   * Inserts in one statement or transaction; a known id is no error, a closed record replaces the open one. No id occurs
   * twice in one call. Rejects with a `code` of SQLSTATE class 22 or 23 if a record itself is refused; any other
   * rejection means that the database is away.
   */
  readonly insert: (records: readonly CallRecord[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxBytes?: number;
  /** A record older than this that is not in the database makes the spool full (SECURITY 3.6). */
  readonly maxAgeMs?: number;
  /** `required`: refuse calls (`audit_full`). `best_effort`: drop records of allowed calls, count them, leave a gap record. */
  readonly whenFull?: 'required' | 'best_effort';
  /** Force every write to the disk: survives a power cut, not only the end of the process. Costs a disk flush per turn. */
  readonly sync?: boolean;
  readonly segmentBytes?: number;
  readonly flushEveryMs?: number;
  /** How a segment file is opened: tests make disks fail. */
  readonly openSegment?: (path: string, sync: boolean) => Pick<SegmentWriter, 'append' | 'bytes' | 'close' | 'path'>;
}

export function withDefaults(options: SpoolOptions): Required<SpoolOptions> {
  return {
    ...options,
    maxBytes: options.maxBytes ?? 256 * 1024 * 1024,
    maxAgeMs: options.maxAgeMs ?? 600_000,
    whenFull: options.whenFull ?? 'required',
    sync: options.sync ?? false,
    segmentBytes: options.segmentBytes ?? 1024 * 1024,
    flushEveryMs: options.flushEveryMs ?? 250,
    openSegment: options.openSegment ?? ((path, sync) => new SegmentWriter(path, sync)),
  };
}
