/**
 * The way of call records to the database: first into a file of this process, then the caller gets its last byte, then in
 * batches into the database. The file survives the process (DESIGN ruling 28), the batches survive the database being
 * away. What is inserted is kept in memory until then, so that the files are read only after an outage or a crash.
 */
import { rmSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import { uuidv7 } from '#core/ids.ts';
import type { CallRecord, CallRecorder } from './call-record.ts';
import { type FoundSegment, SpoolDirectory } from './spool-directory.ts';
import { type Gap, gapRecord } from './spool-gap.ts';
import { SpoolInserter } from './spool-inserter.ts';
import { type SpoolOptions, withDefaults } from './spool-options.ts';
import { encodeLine, readSegment } from './spool-segment.ts';

const batchRecords = 500;
const memoryRecords = 20_000;
const beatEveryMs = 15_000;
const retryDiskMs = 250;
/** An insert that hangs does not keep the process: its segment is replayed at the next start. */
const closeWaitMs = 1000;

export interface Spool extends CallRecorder {
  /** Bytes on disk that are not yet in the database. */
  readonly bytes: number;
  /** Records dropped since the start because the spool was full (`best_effort`). */
  readonly dropped: number;
  /** Records since the start that the database refused for what they hold; they are kept in `refused.jsonl`. */
  readonly refused: number;
}

/** Throws what the file system throws if the directory cannot be made or written. */
export function openSpool(options: SpoolOptions): Spool {
  return new FileSpool(options);
}

interface Segment {
  readonly path: string;
  readonly bytes: number;
  /** undefined: to be read from the file. */
  records: CallRecord[] | undefined;
  inserted: number;
  /** Monotonic milliseconds. */
  readonly since: number;
}

class FileSpool implements Spool {
  readonly #options: Required<SpoolOptions>;
  readonly #directory: SpoolDirectory;
  readonly #inserter: SpoolInserter;
  readonly #timer: NodeJS.Timeout;
  #waiting: CallRecord[] = [];
  #dones: (() => void)[] = [];
  #stalled = false;
  #writer: ReturnType<Required<SpoolOptions>['openSegment']> | undefined;
  #current: { records: CallRecord[] | undefined; since: number } = { records: [], since: 0 };
  #sealed: Segment[] = [];
  #sealedBytes = 0;
  #inMemory = 0;
  #tooOld = false;
  #draining: Promise<boolean> | undefined;
  #beatAt: number;
  #gap: Gap | undefined;
  #closed = false;
  dropped = 0;

  constructor(options: SpoolOptions) {
    this.#options = withDefaults(options);
    const { clock, directory, flushEveryMs } = this.#options;
    this.#directory = new SpoolDirectory(directory, uuidv7(clock.now()), clock);
    this.#inserter = new SpoolInserter(this.#options, this.#directory.quarantinePath);
    this.#beatAt = clock.monotonic();
    this.#adopt();
    this.#timer = setInterval(() => this.#tick(), flushEveryMs).unref();
  }

  get bytes(): number {
    return this.#sealedBytes + (this.#writer?.bytes ?? 0);
  }

  get refused(): number {
    return this.#inserter.refused;
  }

  get accepting(): boolean {
    return this.#options.whenFull === 'best_effort' || !(this.#stalled || this.#full);
  }

  get #full(): boolean {
    return this.#tooOld || this.bytes >= this.#options.maxBytes;
  }

  record(record: CallRecord, done: () => void): void {
    if (this.#closed) {
      this.#options.log.error({ recordId: record.id }, 'A call ended after its spool was closed');
      done();
      return;
    }
    // After the poll phase: all calls that end in this turn of the event loop share one write.
    if (this.#waiting.push(record) === 1 && !this.#stalled) setImmediate(this.#writeTurn);
    this.#dones.push(done);
  }

  async flush(deadlineMs: number): Promise<void> {
    const { clock } = this.#options;
    const until = clock.monotonic() + deadlineMs;
    this.#writeTurn();
    for (;;) {
      const left = until - clock.monotonic();
      const empty = await within(this.#drain(), Math.max(left, 0));
      if (empty && this.#waiting.length === 0) return;
      if (clock.monotonic() >= until) return;
      await after(Math.min(100, Math.max(1, until - clock.monotonic())));
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#writeTurn();
    this.#closed = true;
    this.#sayWhatIsLost();
    clearInterval(this.#timer);
    await within(this.#draining, closeWaitMs);
    this.#seal();
    this.#directory.release();
  }

  #sayWhatIsLost(): void {
    const { log } = this.#options;
    if (this.#waiting.length > 0)
      log.error({ records: this.#waiting.length }, 'Call records are lost: no disk, no database');
    try {
      if (this.#gap) this.#writeGap(this.#gap);
    } catch (error) {
      log.error({ err: error, dropped: this.#gap?.count }, 'The gap in the audit trail is not recorded');
    }
  }

  /** Writes what has come together, then tells those who wait for it. */
  readonly #writeTurn = (): void => {
    if (this.#waiting.length === 0 || this.#stalled || this.#closed) return;
    const [records, dones] = [this.#waiting, this.#dones];
    this.#waiting = [];
    this.#dones = [];
    const admitted = this.#options.whenFull === 'best_effort' && this.#full ? this.#admit(records) : records;
    try {
      this.#append(admitted);
    } catch (error) {
      this.#diskFailed(error, admitted, dones);
      return;
    }
    this.#tell(dones);
  };

  #tell(dones: readonly (() => void)[]): void {
    for (const done of dones) {
      try {
        done();
      } catch (error) {
        this.#options.log.error({ err: error }, 'The end of a call threw');
      }
    }
  }

  #append(records: readonly CallRecord[]): void {
    if (records.length === 0) return;
    const { clock, segmentBytes, sync, openSegment } = this.#options;
    const now = clock.monotonic();
    // Stopped for long, this process may have been taken for dead and its files moved.
    if (now - this.#beatAt > 2 * beatEveryMs) this.#beat(now);
    let text = '';
    for (const record of records) text += encodeLine(record);
    this.#writer ??= openSegment(this.#directory.nextPath(), sync);
    try {
      this.#writer.append(Buffer.from(text));
    } catch (error) {
      this.#seal(); // What was half written is the end of its file.
      throw error;
    }
    this.#keep(records, now);
    if (this.#writer.bytes >= segmentBytes) this.#seal();
  }

  #keep(records: readonly CallRecord[], now: number): void {
    const current = this.#current;
    if (current.since === 0) current.since = now;
    if (!current.records) return;
    if (this.#inMemory + records.length > memoryRecords) {
      this.#inMemory -= current.records.length;
      current.records = undefined;
      return;
    }
    for (const record of records) current.records.push(record);
    this.#inMemory += records.length;
  }

  #seal(): void {
    const writer = this.#writer;
    if (!writer) return;
    writer.close();
    const { records, since } = this.#current;
    this.#sealed.push({ path: writer.path, bytes: writer.bytes, records, inserted: 0, since });
    this.#sealedBytes += writer.bytes;
    this.#writer = undefined;
    this.#current = { records: [], since: 0 };
  }

  /** Without room: refusals and events are still written (up to a tenth more), allowed calls are counted as a gap. */
  #admit(records: readonly CallRecord[]): readonly CallRecord[] {
    const { clock, maxBytes } = this.#options;
    const kept = this.bytes < maxBytes * 1.1 ? records.filter(isKeptLongest) : [];
    this.#drop(records.length - kept.length, clock.now());
    return kept;
  }

  #writeGap(gap: Gap): void {
    this.#append([gapRecord(gap)]);
    this.#gap = undefined;
  }

  #drop(count: number, nowMs: number): void {
    if (count === 0) return;
    if (!this.#gap) this.#options.log.error({}, 'The audit spool is full: call records are dropped');
    this.#gap = { count: (this.#gap?.count ?? 0) + count, firstAt: this.#gap?.firstAt ?? nowMs, lastAt: nowMs };
    this.dropped += count;
  }

  #diskFailed(error: unknown, records: readonly CallRecord[], dones: (() => void)[]): void {
    this.#options.log.error({ err: error }, 'The audit spool cannot be written');
    if (this.#options.whenFull === 'best_effort') {
      this.#drop(records.length, this.#options.clock.now());
      this.#tell(dones);
      return;
    }
    // No new calls are accepted; those under way wait until disk or database takes their records.
    this.#stalled = true;
    this.#waiting = [...records, ...this.#waiting];
    this.#dones = dones.concat(this.#dones);
    void this.#retryDisk();
  }

  async #retryDisk(): Promise<void> {
    while (this.#stalled && !this.#closed) {
      const count = this.#waiting.length;
      const records = this.#waiting.slice(0, count);
      try {
        this.#append(records);
      } catch {
        const inserted = await this.#inserter.insert(records);
        if (!inserted) {
          await after(retryDiskMs);
          continue;
        }
      }
      this.#waiting.splice(0, count);
      this.#stalled = this.#waiting.length > 0;
      this.#tell(this.#dones.splice(0, count));
    }
  }

  #tick(): void {
    const { clock, maxAgeMs } = this.#options;
    const now = clock.monotonic();
    if (now - this.#beatAt > beatEveryMs) this.#lookAround(now);
    const oldest = this.#sealed[0]?.since ?? (this.#writer ? this.#current.since : now);
    this.#tooOld = now - oldest > maxAgeMs;
    if (now >= this.#inserter.retryAt) void this.#drain();
  }

  #lookAround(now: number): void {
    try {
      this.#beat(now);
      this.#adopt();
    } catch (error) {
      this.#options.log.error({ err: error }, 'The spool directory cannot be read or written');
    }
  }

  #beat(now: number): void {
    this.#beatAt = now;
    if (this.#directory.beat()) return;
    // Another process has these files now and inserts them.
    this.#writer?.close();
    this.#writer = undefined;
    this.#inMemory = 0;
    this.#sealed = [];
    this.#sealedBytes = 0;
    this.#current = { records: [], since: 0 };
  }

  #adopt(): void {
    const since = this.#options.clock.monotonic();
    const found: FoundSegment[] = this.#directory.adopt();
    for (const { path, bytes } of found) this.#sealed.push({ path, bytes, records: undefined, inserted: 0, since });
    for (const { bytes } of found) this.#sealedBytes += bytes;
    if (found.length > 0)
      this.#options.log.info({ segments: found.length }, 'Replaying call records of an earlier process');
  }

  /** True: everything is inserted. One at a time. */
  #drain(): Promise<boolean> {
    this.#draining ??= this.#drainSegments()
      .catch((error) => {
        this.#options.log.error({ err: error }, 'The spool cannot be read or written');
        return false;
      })
      .finally(() => {
        this.#draining = undefined;
      });
    return this.#draining;
  }

  async #drainSegments(): Promise<boolean> {
    if (this.#gap && !this.#full) this.#writeGap(this.#gap);
    this.#seal();
    for (let segment = this.#sealed[0]; segment; segment = this.#sealed[0]) {
      if (!(await this.#insertSegment(segment))) return false;
      if (this.#sealed[0] !== segment) continue;
      rmSync(segment.path, { force: true });
      this.#sealed.shift();
      this.#sealedBytes -= segment.bytes;
      this.#inMemory -= segment.records?.length ?? 0;
    }
    this.#tooOld = false;
    return !this.#writer;
  }

  async #insertSegment(segment: Segment): Promise<boolean> {
    const records = segment.records ?? this.#read(segment.path);
    while (segment.inserted < records.length) {
      const batch = records.slice(segment.inserted, segment.inserted + batchRecords);
      if (!(await this.#inserter.insert(batch))) return false;
      segment.inserted += batch.length;
    }
    return true;
  }

  #read(path: string): readonly CallRecord[] {
    const { records, torn } = readSegment(path);
    if (torn > 0) this.#options.log.warn({ torn }, 'A spool segment ends in a record that was never acknowledged');
    return records;
  }
}

const isKeptLongest = ({ decision, kind = 'call' }: CallRecord) => decision === 'deny' || kind !== 'call';

/** undefined: not within `ms` milliseconds. */
async function within<T>(work: Promise<T> | undefined, ms: number): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, ms, undefined);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
