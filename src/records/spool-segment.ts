/**
 * Segment files of the spool: one line per record, `<length> <json>`, the length in UTF-16 units of the JSON text. A line
 * that a killed process left half written fails its length and ends the file.
 */
import { closeSync, fdatasyncSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { CallRecord } from './call-record.ts';

const lineForm = /^(\d{1,8}) (\{.*\})$/s;

export function encodeLine(record: CallRecord): string {
  const json = JSON.stringify(record);
  return `${json.length} ${json}\n`;
}

export interface SegmentContent {
  readonly records: readonly CallRecord[];
  /** Lines that are not whole: at most the last one, unless the file was damaged. */
  readonly torn: number;
}

/** Throws what the file system throws. */
export function readSegment(path: string): SegmentContent {
  const records: CallRecord[] = [];
  let torn = 0;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const record = line === '' ? undefined : parseLine(line);
    if (record) records.push(record);
    else if (line !== '') torn += 1;
  }
  return { records, torn };
}

function parseLine(line: string): CallRecord | undefined {
  const [, length, json] = lineForm.exec(line) ?? [];
  if (json === undefined || json.length !== Number(length)) return undefined;
  try {
    // What has its full length was written by us, in one piece.
    const record: CallRecord = JSON.parse(json);
    return record;
  } catch {
    return undefined;
  }
}

/** The segment being written. One process, one writer; nothing else appends to its file. */
export class SegmentWriter {
  readonly path: string;
  readonly #fd: number;
  readonly #sync: boolean;
  #bytes = 0;

  /** `sync`: every write is forced to the disk (survives a power cut, not only the end of the process). */
  constructor(path: string, sync: boolean) {
    this.path = path;
    this.#sync = sync;
    this.#fd = openSync(path, 'ax', 0o600);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** All of it or nothing. Throws what the file system throws (ENOSPC, EIO). */
  append(bytes: Buffer): void {
    let written = 0;
    try {
      while (written < bytes.length) written += writeSync(this.#fd, bytes, written);
      if (this.#sync) fdatasyncSync(this.#fd);
    } catch (error) {
      if (written > 0) ftruncateSync(this.#fd, this.#bytes);
      throw error;
    }
    this.#bytes += written;
  }

  close(): void {
    closeSync(this.#fd);
  }
}
