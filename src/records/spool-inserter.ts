/** Puts records into the database, tells a database that is away from a record that it refuses, and says when to try again. */
import { appendFileSync } from 'node:fs';
import type { Clock } from '#core/clock.ts';
import type { Log } from '#core/log.ts';
import type { CallRecord } from './call-record.ts';
import { encodeLine } from './spool-segment.ts';

const retryMs = { first: 250, most: 30_000 } as const;

interface InserterOptions {
  readonly insert: (records: readonly CallRecord[]) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

export class SpoolInserter {
  readonly #options: InserterOptions;
  readonly #quarantinePath: string;
  #failures = 0;
  /** Monotonic milliseconds: not worth trying before. */
  retryAt = 0;
  /** Records that the database refused for what they hold. */
  refused = 0;

  constructor(options: InserterOptions, quarantinePath: string) {
    this.#options = options;
    this.#quarantinePath = quarantinePath;
  }

  /** True: in the database, or kept in the quarantine file. False: the database is away. Never rejects for either. */
  async insert(records: readonly CallRecord[]): Promise<boolean> {
    const { insert, log } = this.#options;
    try {
      await insert(lastOfEach(records));
    } catch (error) {
      if (isRefusal(error)) return this.#insertHalves(records, error);
      this.#backOff(error);
      return false;
    }
    if (this.#failures > 0) log.info({ failures: this.#failures }, 'Call records go to the database again');
    this.#failures = 0;
    this.retryAt = 0;
    return true;
  }

  #backOff(error: unknown): void {
    const { clock, log } = this.#options;
    this.#failures += 1;
    this.retryAt = clock.monotonic() + Math.min(retryMs.first * 2 ** (this.#failures - 1), retryMs.most);
    if (this.#failures === 1) log.warn({ err: error }, 'Call records wait on disk: the database does not take them');
  }

  /** Finds the records that are refused for what they hold, so that they do not block all others for ever. */
  async #insertHalves(records: readonly CallRecord[], error: unknown): Promise<boolean> {
    if (records.length > 1) {
      const middle = records.length >> 1;
      return (await this.insert(records.slice(0, middle))) && (await this.insert(records.slice(middle)));
    }
    for (const record of records) {
      appendFileSync(this.#quarantinePath, encodeLine(record), { mode: 0o600 });
      this.#options.log.error(
        { err: error, recordId: record.id },
        'The database refuses a call record: kept in a file',
      );
    }
    this.refused += records.length;
    return true;
  }
}

/** One statement cannot write a row twice: of the records of one id the last stands. */
function lastOfEach(records: readonly CallRecord[]): readonly CallRecord[] {
  const byId = new Map(records.map((record) => [record.id, record]));
  return byId.size === records.length ? records : [...byId.values()];
}

/** SQLSTATE class 22 (data exception) or 23 (integrity), of the error or of what it was caused by. */
function isRefusal(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (typeof code === 'string' && /^2[23][0-9A-Z]{3}$/.test(code)) || isRefusal(error.cause);
}
