/** The check of an export, without any gateway or database: lines of rows, heads and checkpoints. */
import { z } from 'zod';
import type { Checkpoint, TrailRow } from './canonical.ts';
import { type ChainHead, linksOf, type ReadLink } from './rows.ts';
import { ChainCheck, type TrailReport } from './verify.ts';

const line = z.looseObject({ type: z.enum(['export', 'row', 'head', 'checkpoint']) });

interface Chain {
  readonly writer: string;
  readonly org: string | null;
  readonly links: ReadLink[];
  readonly checkpoints: Checkpoint[];
  head: ChainHead | undefined;
}

/** `trusted`: the public key that must have signed; without it the file is only checked against itself. Throws SyntaxError, ZodError. */
export async function verifyLines(
  lines: AsyncIterable<string> | Iterable<string>,
  trusted: string | undefined,
): Promise<TrailReport> {
  const chains = new Map<string, Chain>();
  const chainOf = (writer: string, org: string | null): Chain => {
    const name = `${writer} ${org ?? ''}`;
    const found = chains.get(name) ?? { writer, org, links: [], checkpoints: [], head: undefined };
    chains.set(name, found);
    return found;
  };
  const counted = { rows: 0, erased: 0, checkpoints: 0 };
  let [partial, toTheEnd] = [false, true];
  const rows = new Map<string, TrailRow>();
  for await (const text of lines) {
    if (text.trim() === '') continue;
    const parsed = line.parse(JSON.parse(text));
    if (parsed.type === 'export') {
      partial = parsed.partial === true;
      toTheEnd = typeof parsed.until !== 'string' && typeof parsed.until !== 'number';
    }
    if (parsed.type === 'row') {
      const row = parsed as unknown as TrailRow;
      // Receivers get rows at least once, and those that were open once more at their end: the last is the whole.
      rows.set(row.id, row);
    }
    if (parsed.type === 'head') {
      const head = parsed as unknown as ChainHead;
      chainOf(head.writer, head.org).head = head;
    }
    if (parsed.type === 'checkpoint') {
      const point = parsed as unknown as Checkpoint;
      counted.checkpoints += 1;
      chainOf(point.writer, point.org).checkpoints.push(point);
    }
  }
  for (const row of rows.values()) {
    counted.rows += 1;
    counted.erased += row.erased ? 1 : 0;
    for (const link of linksOf(row)) chainOf(link.writer, link.org).links.push(link);
  }
  const problems = [...chains.values()].flatMap((chain) => {
    const check = new ChainCheck(
      { writer: chain.writer, org: chain.org },
      { head: chain.head, checkpoints: chain.checkpoints, partial, toTheEnd, trusted },
    );
    for (const link of chain.links.sort((a, b) => a.seq - b.seq)) check.add(link);
    check.finish(undefined);
    return check.problem ? [check.problem] : [];
  });
  return { ...counted, chains: chains.size, problems };
}
