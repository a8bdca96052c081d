/**
 * Whether a trail is as it was written: every chain from its beginning (or a signed tombstone) to the longest end that its
 * head or a checkpoint names, every hash by the row as it is now. Names the first bad place of each chain.
 */
import { type Checkpoint, checkpointText, firstHash } from './canonical.ts';
import { isSigned } from './keys.ts';
import type { ChainHead, ChainName, ReadLink } from './rows.ts';

export type ProblemKind =
  | 'missing'
  | 'changed'
  | 'inserted'
  | 'reordered'
  | 'cut'
  | 'checkpoint'
  | 'person'
  | 'unchained';

export interface Problem extends ChainName {
  /** First bad place. */
  readonly seq: number;
  readonly kind: ProblemKind;
  readonly message: string;
  /** Id of the row, where there is one. */
  readonly row?: string;
}

export interface TrailReport {
  readonly rows: number;
  readonly chains: number;
  readonly checkpoints: number;
  /** Rows of people who were erased: they are in the chain still. */
  readonly erased: number;
  /** The first of each chain; empty: nothing was changed. */
  readonly problems: readonly Problem[];
}

export interface Anchors {
  readonly head: ChainHead | undefined;
  readonly checkpoints: readonly Checkpoint[];
  /** An export that begins somewhere: the first place is taken as it is. */
  readonly partial: boolean;
  /** False: an export that ends somewhere before the end. */
  readonly toTheEnd: boolean;
  /** Whose signatures count; undefined: those of the writers' own keys. */
  readonly trusted: string | undefined;
}

/** Fed with the places of one chain in ascending order. */
export class ChainCheck {
  readonly #chain: ChainName;
  readonly #anchors: Anchors;
  readonly #points = new Map<number, string>();
  readonly #longest: number;
  readonly #stone: number;
  #next: number;
  #hash: string | undefined;
  problem: Problem | undefined;

  constructor(chain: ChainName, anchors: Anchors) {
    this.#chain = chain;
    this.#anchors = anchors;
    const { head, checkpoints, trusted } = anchors;
    const signed = checkpoints.filter((point) => isGenuine(point, trusted));
    for (const point of signed) this.#points.set(point.seq, point.hash);
    if (head) this.#points.set(head.seq, head.hash);
    const stone = signed.filter(({ kind }) => kind === 'tombstone').sort((a, b) => b.seq - a.seq)[0];
    this.#stone = stone?.seq ?? 0;
    this.#next = this.#stone + 1;
    this.#hash = anchors.partial ? undefined : (stone?.hash ?? firstHash);
    this.#longest = Math.max(head?.seq ?? 0, ...signed.map(({ seq }) => seq));
    const forged = checkpoints.find((point) => !isGenuine(point, trusted));
    if (forged) this.#fail('checkpoint', forged.seq, 'a checkpoint is not signed by the key of its writer');
  }

  get next(): number {
    return this.#next;
  }

  add(link: ReadLink): void {
    const { seq, prevHash, hash, expected, row } = link;
    if (this.#hash === undefined) {
      this.#next = seq;
      this.#hash = prevHash;
    }
    if (seq < this.#next) {
      const isLeftWhole = seq <= this.#stone && (row.closing?.seq ?? 0) > this.#stone && expected === hash;
      if (!isLeftWhole) this.#fail('inserted', seq, 'there are two rows in one place', row.id);
      return;
    }
    if (seq > this.#next) this.#fail('missing', this.#next, `rows ${this.#next} to ${seq - 1} are missing`);
    else if (expected !== hash) this.#fail('changed', seq, 'the row is not what was written', row.id);
    else if (prevHash !== this.#hash) this.#fail('reordered', seq, 'the row does not follow the one before it', row.id);
    else if ((this.#points.get(seq) ?? hash) !== hash)
      this.#fail('changed', seq, 'the row is not the one that a checkpoint or the head names', row.id);
    this.#next = seq + 1;
    this.#hash = hash;
  }

  /** A digest of who it was does not fit what the row says. */
  refusePerson(link: ReadLink): void {
    this.#fail('person', link.seq, 'the row names somebody else than when it was written', link.row.id);
  }

  /** After the last place. `latest`: the head as it is by now; undefined: not known. */
  finish(latest: ChainHead | undefined): void {
    const { toTheEnd } = this.#anchors;
    if (this.#hash !== undefined && toTheEnd && this.#next <= this.#longest)
      this.#fail('cut', this.#next, `the end is missing: ${this.#longest} rows were written`);
    else if (latest && latest.seq < this.#next - 1)
      this.#fail('inserted', latest.seq + 1, 'there are more rows than were written');
  }

  #fail(kind: ProblemKind, seq: number, message: string, row?: string): void {
    if (this.problem && this.problem.seq <= seq) return;
    this.problem = { ...this.#chain, seq, kind, message, ...(row !== undefined && { row }) };
  }
}

function isGenuine(point: Checkpoint, trusted: string | undefined): boolean {
  return isSigned(trusted ?? point.publicKey, checkpointText(point), point.signature);
}
