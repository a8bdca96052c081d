/**
 * A backup: gzip over lines of JSON. A head (which version made it, of which schema), for each table one line that names its
 * columns and one per row, and a tail that says what there should have been, with the SHA-256 of all lines before it. A row is
 * an array of texts, each value as PostgreSQL itself spells it: nothing is lost between two databases, not a digit of a
 * number nor the difference between no value and JSON's null.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { z } from 'zod';
import { GatehouseError } from '#core/error.ts';

const headSchema = z.object({
  gatehouse: z.literal('backup'),
  format: z.literal(1),
  /** Of the product that made it. */
  version: z.string(),
  madeAt: z.iso.datetime(),
  schema: z.object({ fingerprint: z.string(), migrations: z.array(z.string()).min(1) }),
});

const sectionSchema = z.object({ table: z.string(), columns: z.array(z.string()).min(1) });

const tailSchema = z.object({
  rows: z.int(),
  /** Rows by table. */
  tables: z.record(z.string(), z.int()),
  sequences: z.array(z.object({ name: z.string(), value: z.string(), isCalled: z.boolean() })),
  sha256: z.string(),
});

export type Head = z.output<typeof headSchema>;
export type Section = z.output<typeof sectionSchema>;
export type Tail = z.output<typeof tailSchema>;

/** Awaited before the file is read on. */
export interface Hearer {
  head?(head: Head): Promise<void> | void;
  table?(section: Section): Promise<void> | void;
  /** Lines as they stand, some of the table that was named last. */
  rows?(lines: readonly string[]): Promise<void>;
}

export interface Contents {
  readonly head: Head;
  readonly tail: Tail;
}

const batchBytes = 1 << 20;
const batchRows = 1000;

/** Reads all of it. Throws `bad_request`: it is no backup, damaged, or cut off. */
export async function readBackup(path: string, hearer: Hearer = {}): Promise<Contents> {
  const reading = new Reading(hearer);
  try {
    await pipeline(createReadStream(path), createGunzip(), async (bytes: AsyncIterable<Buffer>) => {
      for await (const line of linesOf(bytes)) await reading.take(line);
    });
  } catch (thrown) {
    const code = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
    if (code === 'ENOENT') throw new GatehouseError('bad_request', { message: `${path} does not exist` });
    if (thrown instanceof Damaged || /^Z_|^ERR_/.test(code)) throw damaged(path, thrown);
    throw thrown;
  }
  const { head, tail } = reading;
  if (!head || !tail) throw damaged(path, new Damaged('it ends too early'));
  return { head, tail };
}

class Damaged extends Error {}

function damaged(path: string, cause: unknown): GatehouseError {
  const reason = cause instanceof Damaged ? cause.message : 'it cannot be unpacked';
  return new GatehouseError('bad_request', { message: `${path} is no whole backup: ${reason}`, cause });
}

/** Never torn at what only looks like the end of a line (U+2028), as readline does. */
async function* linesOf(bytes: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  for await (const chunk of bytes) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield parts.length === 0 ? chunk.subarray(start, end) : Buffer.concat([...parts, chunk.subarray(start, end)]);
      parts = [];
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
  }
  if (parts.length > 0) throw new Damaged('it ends within a line');
}

class Reading {
  readonly #hearer: Hearer;
  readonly #hash = createHash('sha256');
  readonly #counted: Record<string, number> = {};
  #table: string | undefined;
  #batch: string[] = [];
  #bytes = 0;
  head: Head | undefined;
  tail: Tail | undefined;

  constructor(hearer: Hearer) {
    this.#hearer = hearer;
  }

  async take(line: Buffer): Promise<void> {
    if (this.tail) throw new Damaged('something follows its end');
    const text = line.toString('utf8');
    if (this.head && this.#table !== undefined && text.startsWith('[')) await this.#row(text);
    else {
      await this.#flush();
      await this.#other(parsed(text));
    }
    this.#hash.update(line).update('\n');
  }

  async #row(text: string): Promise<void> {
    this.#batch.push(text);
    this.#bytes += text.length;
    if (this.#batch.length >= batchRows || this.#bytes >= batchBytes) await this.#flush();
  }

  async #flush(): Promise<void> {
    const lines = this.#batch;
    if (lines.length === 0 || this.#table === undefined) return;
    this.#batch = [];
    this.#bytes = 0;
    this.#counted[this.#table] = (this.#counted[this.#table] ?? 0) + lines.length;
    await this.#hearer.rows?.(lines);
  }

  async #other(value: unknown): Promise<void> {
    if (!this.head) {
      this.head = parseHead(value);
      return this.#hearer.head?.(this.head);
    }
    const section = sectionSchema.safeParse(value);
    if (section.success) {
      this.#table = section.data.table;
      this.#counted[this.#table] = 0;
      return this.#hearer.table?.(section.data);
    }
    this.tail = this.#checkTail(value);
  }

  #checkTail(value: unknown): Tail {
    const tail = tailSchema.safeParse(value);
    if (!tail.success) throw new Damaged('a line of it cannot be read');
    const { sha256, tables } = tail.data;
    if (this.#hash.copy().digest('hex') !== sha256) throw new Damaged('it was changed after it was made');
    if (Object.entries(tables).some(([name, count]) => this.#counted[name] !== count))
      throw new Damaged('it does not hold as many rows as it says');
    return tail.data;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Damaged('a line of it cannot be read');
  }
}

function parseHead(value: unknown): Head {
  const head = headSchema.safeParse(value);
  if (head.success) return head.data;
  const format = z.object({ gatehouse: z.literal('backup'), format: z.number(), version: z.string() }).safeParse(value);
  throw new Damaged(
    format.success && format.data.format !== 1
      ? `version ${format.data.version} made it, in a form that this one does not know`
      : 'it does not begin like one',
  );
}
